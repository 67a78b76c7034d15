"""``streamproc acls``: prints the least rights that the user of each role needs on Kafka."""

from __future__ import annotations

from typing import Any, get_args

import click

from streamproc.cli.printing import echo
from streamproc.cli.shared_options import app_id_option, value_in
from streamproc.cli.topic_options import both_taken, both_topic_options
from streamproc.cli.values import Count, Name, TopicName
from streamproc.contracts.rights import NamesInUse, Right, UserRole, rights_of

FREE_IDS = ("replay", "billing")
"""Roles whose transactional ids do not follow from another option."""


@click.command(short_help="Print the rights (ACLs) that a user needs on Kafka.")
@click.option(
    "--role",
    type=click.Choice(get_args(UserRole)),
    required=True,
    help="What the user runs (docs/security-kafka.md).",
)
@click.option("--principal", help="The user as brokers name it. Default: User:streamproc-ROLE.")
@click.option("--host", default="*", help="The address from which the user comes. Default: any.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["kafka-acls", "strimzi"]),
    default="kafka-acls",
    help="Commands of Kafka's own tool, or a KafkaUser for Strimzi.",
)
@click.option(
    "--tool",
    default="kafka-acls.sh --bootstrap-server localhost:9092",
    help="How each command of kafka-acls begins, with the options that it needs to log in.",
)
@click.option("--remove", is_flag=True, help="Commands that take the rights away again.")
@click.option("--strimzi-cluster", default="kafka", help="The name of Strimzi's Kafka resource.")
@click.option(
    "--strimzi-authentication",
    type=click.Choice(["scram-sha-512", "tls", "tls-external"]),
    default="scram-sha-512",
    help="How a Strimzi user logs in.",
)
@click.option(
    "--strimzi-version",
    type=click.Choice(["v1", "v1beta2"]),
    default="v1",
    help="Version of Strimzi's resources: v1 since Strimzi 0.49, v1beta2 before.",
)
@app_id_option()
@click.option(
    "--group",
    type=Name(),
    help="Group of a dispatcher, billing system or history. Default: that of `streamproc "
    "dispatch`, or streamproc-ROLE.",
)
@click.option(
    "--partitions",
    type=Count(1),
    help="Number of partitions of the topics: transactional ids are named one by one.",
)
@click.option("--source", type=TopicName(), help="The topic that a replay reads. Default: a file.")
@click.option("--target", type=TopicName(), help="The topic that a replay writes.")
@click.option(
    "--transactional-id-prefix",
    type=TopicName(),
    help="How the transactional ids of replays or drop folders begin. Default: streamproc-replay-, "
    "streamproc-folder-.",
)
@click.option("--drop-folder", is_flag=True, help="Billing also runs `streamproc send --watch`.")
@click.option("--create-topics", is_flag=True, help="The program is run with --create-topics.")
@both_topic_options
def acls(**options: Any) -> None:
    """Print the least rights (ACLs) of the user of a role.

    It asks no broker. Each right is needed: without one of them, the program says which is missing.

    \b
    Examples:
      streamproc acls --role worker
      streamproc acls --role dispatcher --principal User:sms --host 10.1.2.3
      streamproc acls --role replay --source live --target test --create-topics
      streamproc acls --role worker --format strimzi --strimzi-cluster kafka | kubectl apply -f -
    """
    from streamproc.provision.acls import Grant, kafka_acls, strimzi

    role: UserRole = options["role"]
    principal = options["principal"]
    if principal is not None and ":" not in principal:
        raise click.BadParameter(
            f"a broker's principal has a type: write User:{principal}", param_hint="'--principal'"
        )
    if role == "dispatcher" and options["group"] is None:
        context = click.get_current_context()
        options["group"] = value_in(context, ("dispatch", "group"), "") or None
    rights = _rights(role, options)
    grant = Grant(principal or f"User:streamproc-{role}", options["host"])
    if options["form"] == "strimzi":
        if options["remove"]:
            raise click.UsageError("--remove is for --format kafka-acls; delete the KafkaUser")
        kubernetes = ("strimzi_cluster", "strimzi_authentication", "strimzi_version")
        echo(strimzi(rights, grant, *(options[name] for name in kubernetes)), nl=False)
        return
    for line in kafka_acls(rights, grant, options["tool"], remove=options["remove"]):
        echo(line)


def _rights(role: UserRole, options: dict[str, Any]) -> tuple[Right, ...]:
    if (role == "replay") != (options["target"] is not None):
        raise click.UsageError("--role replay needs --target TOPIC, and no other role has one")
    if options["source"] is not None and role != "replay":
        raise click.UsageError("--source is for --role replay")
    if options["transactional_id_prefix"] is not None and role not in FREE_IDS:
        raise click.UsageError(
            f"--transactional-id-prefix is for --role {' and '.join(FREE_IDS)}; those of workers "
            f"begin with --app-id, those of dispatchers with --group"
        )
    if options["group"] is not None and role not in ("dispatcher", "billing", "history"):
        raise click.UsageError(
            "--group is for --role dispatcher, billing and history; a worker's is its --app-id"
        )
    worker, dispatch = both_taken(options)
    scope = NamesInUse(
        worker,
        dispatch,
        options["app_id"],
        options["group"],
        options["source"],
        options["target"],
        options["transactional_id_prefix"],
        options["partitions"],
        options["drop_folder"],
        options["create_topics"],
    )
    return rights_of(role, scope)
