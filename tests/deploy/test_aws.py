"""deploy/aws/daybook.yaml, read by cfn-lint and created in moto, a stand-in for AWS.

moto creates what it knows, and takes most properties without a look; cfn-lint checks them.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from granian.http import HTTP1Settings

from app.config import Config, from_environment
from app.inventory import pictures
from app.server.workers import STOP_TIMEOUT_S
from tests.processes.servers import ROOT

pytestmark = pytest.mark.deep

TEMPLATE = ROOT / "deploy/aws/daybook.yaml"
UNKNOWN_TO_MOTO = {
    "AWS::CloudWatch::Alarm",
    "AWS::RDS::EventSubscription",
    "AWS::SecretsManager::Secret",
}
SMTP_URL = "smtp://user:password@mail.example:587"


def client(service: str) -> Any:
    """Return a client of the AWS that moto plays."""
    import boto3

    return boto3.client(service, region_name="eu-central-1")


def test_cfn_lint_finds_nothing() -> None:
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    result = subprocess.run([cfn_lint, "--", TEMPLATE], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.fixture(scope="module", autouse=True)
def stack() -> Iterator[None]:
    """The stack, in a network of two zones."""
    from moto import mock_aws  # takes seconds, and only deep tests need it

    with mock_aws():
        with pytest.warns(UserWarning, match="not supported by moto") as warnings:
            client("cloudformation").create_stack(
                StackName="shop",
                TemplateBody=TEMPLATE.read_text("utf-8"),
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in parameters().items()
                ],
            )
        messages = " ".join(str(each.message) for each in warnings)
        assert set(re.findall(r"AWS::\w+::\w+", messages)) == UNKNOWN_TO_MOTO
        yield


def parameters() -> dict[str, str]:
    """Return a value for each parameter that has no default."""
    ec2 = client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]

    def subnet(network: str, zone: str) -> str:
        created = ec2.create_subnet(VpcId=vpc, CidrBlock=network, AvailabilityZone=zone)
        return str(created["Subnet"]["SubnetId"])

    public = [subnet("10.0.0.0/24", "eu-central-1a"), subnet("10.0.1.0/24", "eu-central-1b")]
    private = [subnet("10.0.2.0/24", "eu-central-1a"), subnet("10.0.3.0/24", "eu-central-1b")]
    certificate = client("acm").request_certificate(DomainName="shop.example")
    secret = client("secretsmanager").create_secret(Name="smtp-url", SecretString=SMTP_URL)
    return {
        "VpcId": vpc,
        "PublicSubnets": ",".join(public),
        "PublicSubnetNetworks": "10.0.0.0/24,10.0.1.0/24",
        "PrivateSubnets": ",".join(private),
        "HostName": "shop.example",
        "CertificateArn": certificate["CertificateArn"],
        "Image": "registry.example/daybook:0.1.0",
        "MailFrom": "Daybook <shop@shop.example>",
        "SmtpUrlSecretArn": secret["ARN"],
        "AlarmEmail": "operator@shop.example",
    }


@pytest.fixture
def container() -> dict[str, Any]:
    ecs = client("ecs")
    (task,) = ecs.list_task_definitions()["taskDefinitionArns"]
    definition = ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    return dict(container)


@pytest.fixture
def config(container: dict[str, Any]) -> Config:
    """The settings of a task, all of which Daybook accepts."""
    settings = {each["name"]: each["value"] for each in container["environment"]}
    return from_environment(settings | {"DAYBOOK_SMTP_URL": SMTP_URL})


@pytest.fixture
def database() -> dict[str, Any]:
    (database,) = client("rds").describe_db_instances()["DBInstances"]
    return dict(database)


def test_a_task_serves_the_host_name_behind_the_load_balancer(config: Config) -> None:
    assert (config.host, config.port, config.url) == ("0.0.0.0", 8000, "https://shop.example")
    assert config.trusted_hosts == {"shop.example"}
    assert {str(each) for each in config.trusted_proxies} == {"10.0.0.0/24", "10.0.1.0/24"}


def test_no_setting_of_a_task_has_a_secret(
    container: dict[str, Any], config: Config, database: dict[str, Any]
) -> None:
    """libpq reads the database password from PGPASSWORD."""
    store = urlsplit(config.store)
    assert (store.hostname, store.password) == (database["Endpoint"]["Address"], None)
    assert {each["name"] for each in container["secrets"]} == {"PGPASSWORD", "DAYBOOK_SMTP_URL"}


def test_all_tasks_share_the_pictures(container: dict[str, Any], config: Config) -> None:
    """As the user of the image, and without the rest of the data folder."""
    (mount,) = container["mountPoints"]
    assert Path(mount["containerPath"]) == config.data / pictures.FOLDER
    (access,) = client("efs").describe_access_points()["AccessPoints"]
    assert f"USER {access['PosixUser']['Uid']}\n" in (ROOT / "deploy/Dockerfile").read_text()


def test_a_task_has_time_to_stop(container: dict[str, Any]) -> None:
    """First the workers that serve, then the delivery worker."""
    assert container["stopTimeout"] > 2 * STOP_TIMEOUT_S


def test_the_load_balancer_closes_idle_connections_first() -> None:
    """Otherwise a request may arrive at a connection that Daybook is about to close (502)."""
    (idle_s,) = re.findall(r'idle_timeout\.timeout_seconds, Value: "(\d+)"', TEMPLATE.read_text())
    assert int(idle_s) * 1000 < HTTP1Settings().header_read_timeout


def test_the_public_reaches_pages_by_tls_and_no_monitoring() -> None:
    balancer = client("elbv2").describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = client("elbv2").describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    actions = {each["Port"]: each["DefaultActions"][0]["Type"] for each in listeners}
    assert actions == {80: "redirect", 443: "forward"}
    (tls,) = [each["ListenerArn"] for each in listeners if each["Port"] == 443]
    rules = client("elbv2").describe_rules(ListenerArn=tls)["Rules"]
    (rule,) = [each for each in rules if not each["IsDefault"]]
    assert rule["Actions"][0]["Type"] == "fixed-response"
    patterns = rule["Conditions"][0]["PathPatternConfig"]["Values"]

    def is_refused(path: str) -> bool:
        return any(fnmatchcase(path, pattern) for pattern in patterns)

    assert all(map(is_refused, ["/livez", "/readyz", "/metrics", "/metrics/", "/metrics//"]))
    assert not any(map(is_refused, ["/", "/order", "/product", "/live"]))


def test_only_the_load_balancer_is_open_to_the_world() -> None:
    groups = client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:aws:cloudformation:stack-name", "Values": ["shop"]}]
    )["SecurityGroups"]
    sources = {
        group["Description"]: {
            (rule["FromPort"], *(each["CidrIp"] for each in rule["IpRanges"]))
            for rule in group["IpPermissions"]
        }
        for group in groups
    }
    assert sources == {
        "The load balancer": {(80, "0.0.0.0/0"), (443, "0.0.0.0/0")},
        "The tasks": {(8000,)},
        "The database and the file system": {(5432,), (2049,)},
    }


def test_the_database_has_an_encrypted_standby(database: dict[str, Any]) -> None:
    assert (database["MultiAZ"], database["StorageEncrypted"]) == (True, True)
    assert not database["PubliclyAccessible"]
    zones = {
        each["SubnetAvailabilityZone"]["Name"] for each in database["DBSubnetGroup"]["Subnets"]
    }
    assert len(zones) == 2
