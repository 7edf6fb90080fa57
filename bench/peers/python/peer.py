"""The usual script, as an operator: kopf for the cluster, the vendor's official SDK for the cloud.

It keeps none of the operator's promises: no intent before the call, no look for a backup whose answer was lost. That is
the comparison: what one gets for less. Beside that it is written to be fast.

TUNING=defaults leaves every knob of kopf and of the SDK as it comes. TUNING=best: a thread for each call that may be
under way, uvloop, connections that are kept, a pace that meets the cloud's limit, and no events. What kopf writes into
annotations stays: without it, it would take every object for a new one after a restart.
"""

import asyncio
import concurrent.futures
import datetime
import functools
import logging
import os
import threading
import time

import kopf
from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.sqlserver.v20180328 import models, sqlserver_client

BEST = os.environ["TUNING"] == "best"
# How often a running backup is asked for, as the operator does in the same comparison.
POLL_SECONDS = 2
KIND = ("tencentdb.dev", "v1alpha1", "sqlserverbackups")


class Pace:
    """Calls at an even distance, a little below the limit: the cloud counts in seconds of its own clock.

    Waited for in the event loop and not in a thread: looks that wait would keep every thread from submitting.
    """

    def __init__(self, each_second: float) -> None:
        self.step, self.next = 1 / each_second, 0.0

    async def wait(self) -> None:
        at = max(self.next, time.monotonic())
        self.next = at + self.step
        await asyncio.sleep(at - time.monotonic())


PACES = {"CreateBackup": Pace(19.8), "DescribeBackupByFlowId": Pace(19.8)}
LOCAL = threading.local()


def client(region: str) -> sqlserver_client.SqlserverClient:
    """One for each thread and region: a connection of the SDK is not for two threads at once."""
    clients = LOCAL.__dict__.setdefault("clients", {})
    if region not in clients:
        scheme, host = os.environ["ENDPOINT"].split("://")
        http = HttpProfile(protocol=scheme, endpoint=host, keepAlive=BEST, certification=os.environ.get("REQUESTS_CA_BUNDLE"))
        key = credential.Credential(os.environ["TENCENTCLOUD_SECRET_ID"], os.environ["TENCENTCLOUD_SECRET_KEY"])
        clients[region] = sqlserver_client.SqlserverClient(key, region, ClientProfile(httpProfile=http))
    return clients[region]


async def call(region: str, action: str, request):
    if BEST:
        await PACES[action].wait()
    try:
        return await asyncio.to_thread(lambda: getattr(client(region), action)(request))
    except TencentCloudSDKException as error:
        raise kopf.TemporaryError(str(error), delay=1 if BEST else 5) from error


def conditions(**rows: tuple[str, str]) -> list[dict]:
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        {"type": kind, "status": status, "reason": reason, "message": "", "lastTransitionTime": now}
        for kind, (status, reason) in rows.items()
    ]


@kopf.on.startup()
async def configure(settings: kopf.OperatorSettings, **_) -> None:
    if BEST:
        settings.posting.enabled = False
        asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(max_workers=40))


@kopf.on.create(*KIND)
async def submit(spec, name: str, uid: str, patch, status, **_) -> None:
    request = models.CreateBackupRequest()
    request.InstanceId, request.Strategy = spec["instanceId"], 0
    request.BackupName = f"{name}_{uid[:8]}".replace("-", "_")
    if spec.get("databases"):
        request.Strategy, request.DBNames = 1, spec["databases"]
    answer = await call(spec["region"], "CreateBackup", request)
    patch.status["flowId"] = answer.FlowId
    patch.status["conditions"] = conditions(
        Submitted=("True", "Accepted"), Ready=("False", "Running"),
        Reconciling=("True", "Running"), Stalled=("False", "Running"),
    )


@kopf.timer(*KIND, interval=POLL_SECONDS, when=lambda status, **_: is_running(status))
async def follow(spec, status, patch, **_) -> None:
    request = models.DescribeBackupByFlowIdRequest()
    request.InstanceId, request.FlowId = spec["instanceId"], str(status["flowId"])
    answer = await call(spec["region"], "DescribeBackupByFlowId", request)
    if answer.Status == 0:
        return
    patch.status["backupName"], patch.status["backupId"] = answer.BackupName, answer.Id
    patch.status["fileName"] = answer.FileName
    good = answer.Status == 1
    reason = "Completed" if good else "Failed"
    patch.status["conditions"] = conditions(
        Submitted=("True", "Accepted"), Ready=(str(good), reason),
        Reconciling=("False", reason), Stalled=(str(not good), reason),
    )


def is_running(status) -> bool:
    rows = {row["type"]: row["status"] for row in status.get("conditions") or []}
    return "flowId" in status and rows.get("Ready") != "True" and rows.get("Stalled") != "True"


def main() -> None:
    logging.basicConfig(level=logging.INFO)
    ready = asyncio.Event()
    start = functools.partial(kopf.operator, clusterwide=True, standalone=True, ready_flag=ready)

    async def run() -> None:
        async def tell() -> None:
            await ready.wait()
            logging.getLogger("peer").info("peer is ready")

        await asyncio.gather(start(), tell())

    if BEST:
        import uvloop

        uvloop.run(run())
    else:
        asyncio.run(run())


if __name__ == "__main__":
    main()
