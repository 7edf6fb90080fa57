// The part of the kind that this controller reads and writes.

package main

import (
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

type Spec struct {
	InstanceID string   `json:"instanceId"`
	Region     string   `json:"region"`
	Strategy   string   `json:"strategy"`
	Databases  []string `json:"databases,omitempty"`
}

type Status struct {
	FlowID     int64              `json:"flowId,omitempty"`
	BackupName string             `json:"backupName,omitempty"`
	BackupID   int64              `json:"backupId,omitempty"`
	FileName   string             `json:"fileName,omitempty"`
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

type SqlServerBackup struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              Spec   `json:"spec"`
	Status            Status `json:"status,omitempty"`
}

type SqlServerBackupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SqlServerBackup `json:"items"`
}

func (b *SqlServerBackup) isDone() bool {
	return meta.IsStatusConditionTrue(b.Status.Conditions, "Ready") || meta.IsStatusConditionTrue(b.Status.Conditions, "Stalled")
}

func (b *SqlServerBackup) set(kind string, status metav1.ConditionStatus, reason string) {
	meta.SetStatusCondition(&b.Status.Conditions, metav1.Condition{
		Type: kind, Status: status, Reason: reason, ObservedGeneration: b.Generation,
	})
}

// What code generators write otherwise.

func (b *SqlServerBackup) DeepCopy() *SqlServerBackup {
	copied := *b
	copied.ObjectMeta = *b.ObjectMeta.DeepCopy()
	copied.Spec.Databases = slices.Clone(b.Spec.Databases)
	copied.Status.Conditions = slices.Clone(b.Status.Conditions)
	return &copied
}

func (b *SqlServerBackup) DeepCopyObject() runtime.Object { return b.DeepCopy() }

func (l *SqlServerBackupList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.Items = make([]SqlServerBackup, len(l.Items))
	for i := range l.Items {
		copied.Items[i] = *l.Items[i].DeepCopy()
	}
	return &copied
}
