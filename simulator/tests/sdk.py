# Drives the simulator with the vendor's own SDK, unchanged: what the simulator accepts is what the SDK sends.
#
# Arguments: host:port, secret id, secret key, instance. Prints the FlowId; any surprise is a non-zero exit. It is started
# by sdk.rs, which compares with the ledger; it may depend on nothing but the SDK.

import sys

from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sqlserver.v20180328 import models
from tencentcloud.sqlserver.v20180328.sqlserver_client import SqlserverClient

endpoint, secret_id, secret_key, instance = sys.argv[1:]


def client(key, unsigned_payload=False):
    http = HttpProfile(endpoint=endpoint, protocol="http", reqTimeout=10)
    profile = ClientProfile(httpProfile=http)
    profile.unsignedPayload = unsigned_payload
    return SqlserverClient(Credential(secret_id, key), "ap-guangzhou", profile)


def filled(request, **fields):
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def refused(call, request):
    try:
        call(request)
    except TencentCloudSDKException as error:
        assert error.get_request_id(), error
        return error.get_code()
    raise AssertionError("not refused")


cloud = client(secret_key)

wish = filled(models.CreateBackupRequest(), InstanceId=instance, Strategy=1, DBNames=["orders"], BackupName="by_sdk")
flow = cloud.CreateBackup(wish).FlowId
assert isinstance(flow, int) and flow > 0, flow

listing = filled(
    models.DescribeBackupsRequest(), InstanceId=instance, StartTime="2020-01-01 00:00:00",
    EndTime="2099-01-01 00:00:00", BackupWay=1, Type=1, Group=1, Limit=100, StorageStrategy=0,
)
page = cloud.DescribeBackups(listing)
assert page.TotalCount == 1, page.to_json_string()
row = page.Backups[0]
assert (row.BackupName, row.Status, row.DBs, row.EndTime) == ("by_sdk", 0, ["orders"], "0000-00-00 00:00:00"), row

by_flow = cloud.DescribeBackupByFlowId(
    filled(models.DescribeBackupByFlowIdRequest(), InstanceId=instance, FlowId=str(flow))
)
assert (by_flow.BackupName, by_flow.Status) == ("by_sdk", 0), by_flow.to_json_string()

shown = cloud.DescribeDBInstances(filled(models.DescribeDBInstancesRequest(), InstanceIdSet=[instance]))
assert [(it.InstanceId, it.Status) for it in shown.DBInstances] == [(instance, 7)], shown.to_json_string()

unsigned = client(secret_key, unsigned_payload=True)
assert unsigned.DescribeDBInstances(models.DescribeDBInstancesRequest()).TotalCount >= 1

wish.BackupName = "with-hyphen"
assert refused(cloud.CreateBackup, wish) == "InvalidParameterValue.BackupNameIsIllegal"
wish.BackupName = "never"
assert refused(client("another key").CreateBackup, wish) == "AuthFailure.SignatureFailure"

print(flow)
