// The two calls to the cloud, by the vendor's SDK.

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common"
	tchttp "github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/http"
	"github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/common/profile"
	"golang.org/x/time/rate"
)

type cloud struct {
	pace    map[string]*rate.Limiter
	mutex   sync.Mutex
	clients map[string]*common.Client
	profile *profile.ClientProfile
	key     common.CredentialIface
}

// flowState is what DescribeBackupByFlowId answers.
type flowState struct {
	ID         int64  `json:"Id"`
	Status     int64  `json:"Status"`
	BackupName string `json:"BackupName"`
	FileName   string `json:"FileName"`
}

func newCloud(pace map[string]*rate.Limiter) *cloud {
	scheme, host, _ := strings.Cut(os.Getenv("ENDPOINT"), "://")
	settings := profile.NewClientProfile()
	settings.HttpProfile.Scheme, settings.HttpProfile.Endpoint = scheme, host
	key := common.NewCredential(os.Getenv("TENCENTCLOUD_SECRET_ID"), os.Getenv("TENCENTCLOUD_SECRET_KEY"))
	return &cloud{pace: pace, clients: map[string]*common.Client{}, profile: settings, key: key}
}

// client is one for each region, as the SDK wants it.
func (c *cloud) client(region string) *common.Client {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.clients[region] == nil {
		c.clients[region] = common.NewCommonClient(c.key, region, c.profile)
	}
	return c.clients[region]
}

func (c *cloud) call(ctx context.Context, region, action string, body map[string]any, answer any) error {
	if limiter := c.pace[action]; limiter != nil {
		if err := limiter.Wait(ctx); err != nil {
			return err
		}
	}
	request := tchttp.NewCommonRequest("sqlserver", "2018-03-28", action)
	if err := request.SetActionParameters(body); err != nil {
		return err
	}
	response := tchttp.NewCommonResponse()
	if err := c.client(region).Send(request, response); err != nil {
		return err
	}
	whole := struct{ Response any }{answer}
	return json.Unmarshal(response.GetBody(), &whole)
}

func (c *cloud) create(ctx context.Context, spec Spec, name string) (int64, error) {
	body := map[string]any{"InstanceId": spec.InstanceID, "Strategy": 0, "BackupName": strings.ReplaceAll(name, "-", "_")}
	if len(spec.Databases) > 0 {
		body["Strategy"], body["DBNames"] = 1, spec.Databases
	}
	var answer struct {
		FlowID int64 `json:"FlowId"`
	}
	if err := c.call(ctx, spec.Region, "CreateBackup", body, &answer); err != nil {
		return 0, err
	}
	if answer.FlowID == 0 {
		return 0, fmt.Errorf("no FlowId")
	}
	return answer.FlowID, nil
}

func (c *cloud) look(ctx context.Context, spec Spec, flow string) (flowState, error) {
	var answer flowState
	body := map[string]any{"InstanceId": spec.InstanceID, "FlowId": flow}
	return answer, c.call(ctx, spec.Region, "DescribeBackupByFlowId", body, &answer)
}
