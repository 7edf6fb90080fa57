// A controller for the same kind, as a team that writes Go would write it in an afternoon: controller-runtime for the
// cluster, the vendor's SDK for the cloud.
//
// It keeps none of the operator's promises: no intent before the call, no look for a backup whose answer was lost. That
// is the comparison: what one gets for less. Beside that it is written to be fast. The vendor's generated package for SQL
// Server is a few lines around the SDK's own CommonRequest, which is used here directly.
//
// TUNING=defaults leaves every knob as it comes; TUNING=best has a worker for each object that waits, a
// client without a limit of its own, a pace that meets the cloud's limit, and a cache without managed fields.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// pollEvery is how often a running backup is asked for, as the operator does in the same comparison.
const pollEvery = 2 * time.Second

// reconciler takes each object from its call to its end.
type reconciler struct {
	client.Client
	cloud *cloud
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var backup SqlServerBackup
	if err := r.Get(ctx, request.NamespacedName, &backup); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if backup.isDone() {
		return ctrl.Result{}, nil
	}
	if backup.Status.FlowID == 0 {
		flow, err := r.cloud.create(ctx, backup.Spec, fmt.Sprintf("%s_%s", backup.Name, backup.UID[:8]))
		if err != nil {
			return ctrl.Result{}, err
		}
		before := backup.DeepCopy()
		backup.Status.FlowID = flow
		backup.set("Submitted", metav1.ConditionTrue, "Accepted")
		backup.set("Ready", metav1.ConditionFalse, "Running")
		return ctrl.Result{RequeueAfter: pollEvery}, r.Status().Patch(ctx, &backup, client.MergeFrom(before))
	}
	state, err := r.cloud.look(ctx, backup.Spec, strconv.FormatInt(backup.Status.FlowID, 10))
	if err != nil {
		return ctrl.Result{}, err
	}
	if state.Status == 0 {
		return ctrl.Result{RequeueAfter: pollEvery}, nil
	}
	before := backup.DeepCopy()
	backup.Status.BackupName, backup.Status.BackupID, backup.Status.FileName = state.BackupName, state.ID, state.FileName
	backup.set("Reconciling", metav1.ConditionFalse, "Ended")
	if state.Status == 1 {
		backup.set("Ready", metav1.ConditionTrue, "Completed")
	} else {
		backup.set("Stalled", metav1.ConditionTrue, "Failed")
	}
	return ctrl.Result{}, r.Status().Patch(ctx, &backup, client.MergeFrom(before))
}

func main() {
	ctrl.SetLogger(zap.New())
	logger := log.Log
	scheme := runtime.NewScheme()
	version := schema.GroupVersion{Group: "tencentdb.dev", Version: "v1alpha1"}
	scheme.AddKnownTypes(version, &SqlServerBackup{}, &SqlServerBackupList{})
	metav1.AddToGroupVersion(scheme, version)

	config := ctrl.GetConfigOrDie()
	options := ctrl.Options{Scheme: scheme, Metrics: server.Options{BindAddress: "0"}}
	workers := controller.Options{}
	pace := map[string]*rate.Limiter{}
	if os.Getenv("TUNING") == "best" {
		config.QPS, config.Burst = -1, 0
		options.Cache = cache.Options{DefaultTransform: cache.TransformStripManagedFields()}
		// Workers wait for the pace, and looks that wait must not keep others from submitting.
		workers.MaxConcurrentReconciles = 1000
		// A little below the limit of 20 in a second: the cloud counts in seconds of its own clock.
		pace["CreateBackup"] = rate.NewLimiter(19.8, 1)
		pace["DescribeBackupByFlowId"] = rate.NewLimiter(19.8, 1)
	}
	exit := func(what string, err error) {
		if err != nil {
			logger.Error(err, what)
			os.Exit(1)
		}
	}
	manager, err := ctrl.NewManager(config, options)
	exit("manager", err)
	reconciler := &reconciler{Client: manager.GetClient(), cloud: newCloud(pace)}
	exit("controller", ctrl.NewControllerManagedBy(manager).For(&SqlServerBackup{}).WithOptions(workers).Complete(reconciler))
	context := ctrl.SetupSignalHandler()
	go func() {
		if manager.GetCache().WaitForCacheSync(context) {
			logger.Info("peer is ready")
		}
	}()
	exit("run", manager.Start(context))
}
