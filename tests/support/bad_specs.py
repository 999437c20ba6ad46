"""Specs that must be refused, each with the words that tell its author what to write instead.

One table for both doors: the API server with the CRD, and the operator's own decoder.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from support.specs import KEYREF, ZONE, egress, env, ingress, minimal, pod

KEY_RULE = "key is [prefix/]name, such as example.com/team"
FORM = "has the wrong form"


class BadSpec(NamedTuple):
    """A spec with one fault.

    Attributes:
        fault: what is wrong, as a test id.
        spec: the whole spec.
        says: words that the API server's message must contain.
        decoder_says: words of the decoder, where they differ because the schema itself speaks.
    """

    fault: str
    spec: dict[str, Any]
    says: str
    decoder_says: str | None = None


BAD_SPECS = [
    BadSpec("no database", {}, "spec.database: Required value", "spec.database: is required"),
    BadSpec(
        "an empty database", {"database": {}}, "set exactly one of secretRef (your own PostgreSQL)"
    ),
    BadSpec(
        "two databases",
        {"database": {"embedded": {}, "secretRef": {"name": "dsn"}}},
        "set exactly one of secretRef (your own PostgreSQL) and embedded (for trials)",
    ),
    BadSpec(
        "a database reference without a name",
        {"database": {"secretRef": {}}},
        "spec.database.secretRef.name: Required value",
        "spec.database.secretRef.name: is required",
    ),
    BadSpec(
        "a secret name in upper case",
        {"database": {"secretRef": {"name": "MySecret"}}},
        "spec.database.secretRef.name in body should match",
        FORM,
    ),
    BadSpec(
        "storage in the wrong unit",
        {"database": {"embedded": {"storage": "10GB"}}},
        "write a whole number with the unit Mi, Gi or Ti, such as 10Gi",
        FORM,
    ),
    BadSpec(
        "a migration that may take no time",
        {"database": {"embedded": {}, "migrations": {"timeoutSeconds": 1}}},
        "should be greater than or equal to 30",
        "expected `int` >= 30",
    ),
    BadSpec(
        "more retries than are sane",
        {"database": {"embedded": {}, "migrations": {"maxRetries": 99}}},
        "should be less than or equal to 10",
        "expected `int` <= 10",
    ),
    BadSpec(
        "a repository without a version",
        minimal(image={"repository": "registry.example.com/api"}),
        "repository needs a version: set tag or digest beside it",
    ),
    BadSpec(
        "a tag inside the repository",
        minimal(image={"repository": "registry.example.com/api:1.0", "tag": "1.0"}),
        "write the image's name without tag or digest",
        FORM,
    ),
    BadSpec("a tag with a colon", minimal(image={"tag": "api:1.0"}), "write the tag alone", FORM),
    BadSpec(
        "a digest in upper case",
        minimal(image={"digest": "sha256:" + "A" * 64}),
        "write sha256: followed by the 64 lower-case hex digits",
        FORM,
    ),
    BadSpec(
        "an unknown pull policy",
        minimal(image={"pullPolicy": "Sometimes"}),
        'supported values: "Always", "IfNotPresent", "Never"',
        "spec.image.pullPolicy: invalid enum value",
    ),
    BadSpec(
        "a pull secret listed twice",
        minimal(image={"pullSecrets": [{"name": "login"}, {"name": "login"}]}),
        "Duplicate value",
        "login is listed twice; keep one",
    ),
    BadSpec(
        "no replica",
        minimal(api={"replicas": 0}),
        "should be greater than or equal to 1",
        "expected `int` >= 1",
    ),
    BadSpec(
        "replicas as a word",
        minimal(api={"replicas": "two"}),
        "must be of type integer",
        "spec.api.replicas: expected `int`, got `str`",
    ),
    BadSpec(
        "an amount without a unit that exists",
        minimal(api={"resources": {"requests": {"memory": "2 gigabytes"}}}),
        "an amount is a number with a unit: 500m or 2 for cpu, 512Mi or 4Gi for memory",
        FORM,
    ),
    *(
        BadSpec(
            f"{block} of {name} in thousandths of a byte",
            minimal(api={"resources": {block: {name: "512m"}}}),
            "m is a thousandth of a byte: write Mi for memory and disk, such as 512Mi",
            f"spec.api.resources.{block}",
        )
        for block in ("requests", "limits")
        for name in ("memory", "ephemeral-storage")
    ),
    BadSpec(
        "memory of the database in thousandths of a byte",
        minimal(database={"embedded": {"resources": {"limits": {"memory": "512m"}}}}),
        "m is a thousandth of a byte: write Mi for memory and disk, such as 512Mi",
        "spec.database.embedded.resources.limits",
    ),
    BadSpec(
        "an unknown log level",
        minimal(api={"logLevel": "verbose"}),
        'supported values: "debug", "info", "warning", "error"',
        "spec.api.logLevel: invalid enum value",
    ),
    BadSpec(
        "a secret of the API as a plain variable",
        env(name="AUTH_JWT_SECRET", value="x"),
        "AUTH_JWT_SECRET is a secret of the API: put it in the Secret of spec.secrets.existing",
    ),
    BadSpec(
        "a file of a secret as a variable",
        env(name="API_TOKENS_FILE", value="/tmp/x"),  # noqa: S108 - a value that is refused
        "API_TOKENS_FILE is a secret of the API",
    ),
    BadSpec(
        "the connection string as a variable",
        env(name="DATABASE_URL", value="x"),
        "DATABASE_URL is set from spec.database: use spec.database.secretRef",
    ),
    BadSpec(
        "a setting that has a field",
        env(name="LOG_LEVEL", value="debug"),
        "LOG_LEVEL is a field of its own: use spec.api.logLevel, logFormat or moduleSlowMs",
    ),
    BadSpec(
        "a setting that the operator fixes",
        env(name="MIGRATE", value="true"),
        "MIGRATE is set by the operator: remove it from extraEnv",
    ),
    BadSpec(
        "a variable with a dash",
        env(name="NEO-RPC", value="x"),
        "write a variable name of letters, digits and '_'",
        FORM,
    ),
    BadSpec(
        "a variable without a value",
        env(name="NEO_RPC_URL"),
        "set exactly one of value and valueFrom",
    ),
    BadSpec(
        "a variable with two values",
        env(name="NEO_RPC_URL", value="x", valueFrom={"secretKeyRef": KEYREF}),
        "set exactly one of value and valueFrom",
    ),
    BadSpec(
        "a variable from nowhere",
        env(name="NEO_RPC_URL", valueFrom={}),
        "set exactly one of secretKeyRef and configMapKeyRef",
    ),
    BadSpec(
        "a variable from two places",
        env(name="A", valueFrom={"secretKeyRef": KEYREF, "configMapKeyRef": KEYREF}),
        "set exactly one of secretKeyRef and configMapKeyRef",
    ),
    BadSpec(
        "a variable listed twice",
        minimal(api={"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
        "Duplicate value",
        "A is listed twice; keep one",
    ),
    BadSpec(
        "a pod label of the operator",
        pod(labels={"app.kubernetes.io/name": "mine"}),
        "belong to the operator; use a prefix of your own",
    ),
    BadSpec(
        "a pod annotation of the operator",
        pod(annotations={"servicelayer.r3e.network/applied-hash": "mine"}),
        "belong to the operator; use a prefix of your own",
    ),
    BadSpec(
        "a label key with a space", pod(labels={"cost centre": "a"}), f"a label {KEY_RULE}", ""
    ),
    BadSpec(
        "an annotation key with a space",
        pod(annotations={"cost centre": "a"}),
        f"an annotation {KEY_RULE}",
        "",
    ),
    BadSpec(
        "a toleration that compares nothing",
        pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]),
        "operator Exists takes no value: remove value or use operator Equal",
    ),
    BadSpec(
        "a toleration of nothing",
        pod(tolerations=[{"effect": "NoSchedule"}]),
        "set operator: Exists, or name the key",
    ),
    BadSpec(
        "seconds that do not count",
        pod(tolerations=[{"key": "a", "effect": "NoSchedule", "tolerationSeconds": 3}]),
        "tolerationSeconds only counts with effect: NoExecute",
    ),
    BadSpec(
        "domains that do not count",
        pod(topologySpreadConstraints=[{"topologyKey": ZONE, "minDomains": 2}]),
        "minDomains only counts with whenUnsatisfiable: DoNotSchedule",
    ),
    BadSpec(
        "a node condition without values",
        pod(
            affinity={
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": ZONE, "operator": "In"}]}
                        ]
                    }
                }
            }
        ),
        "every other operator needs values",
    ),
    BadSpec(
        "a pod that may be stopped at once",
        pod(terminationGracePeriodSeconds=1),
        "should be greater than or equal to 15",
        "expected `int` >= 15",
    ),
    BadSpec(
        "existing secrets without a name",
        minimal(secrets={"mode": "Existing"}),
        "mode Existing needs existing.name, the name of your Secret",
    ),
    BadSpec(
        "existing secrets that are not read",
        minimal(secrets={"existing": {"name": "keys"}}),
        "existing is only read with mode Existing: set that mode or remove it",
    ),
    BadSpec(
        "an Ingress without a host",
        minimal(expose={"mode": "Ingress"}),
        "mode Ingress needs host, the public DNS name of the API",
    ),
    BadSpec(
        "a URL as the host",
        ingress(host="https://api.example.com/"),
        "write the DNS name alone, such as api.example.com",
        FORM,
    ),
    BadSpec(
        "a wildcard as the host",
        ingress(host="*.example.com"),
        "write the DNS name alone, such as api.example.com",
        FORM,
    ),
    BadSpec(
        "an address as the host",
        ingress(host="203.0.113.7"),
        "must be a DNS name, not an IP address",
    ),
    BadSpec(
        "an unknown way to expose",
        minimal(expose={"mode": "LoadBalancer"}),
        'supported values: "None", "Ingress"',
        "spec.expose.mode: invalid enum value",
    ),
    BadSpec(
        "TLS from nowhere",
        ingress(tls={}),
        "set exactly one of issuerRef (cert-manager) and secretName (a certificate you bring)",
    ),
    BadSpec(
        "TLS from two places",
        ingress(tls={"issuerRef": {"name": "ca"}, "secretName": "tls"}),
        "set exactly one of issuerRef (cert-manager) and secretName (a certificate you bring)",
    ),
    BadSpec(
        "an issuer as an annotation",
        ingress(ingress={"annotations": {"cert-manager.io/cluster-issuer": "ca"}}),
        "use spec.expose.tls.issuerRef instead",
    ),
    BadSpec(
        "a rate limit as an annotation",
        ingress(ingress={"annotations": {"nginx.ingress.kubernetes.io/limit-rps": "5"}}),
        "use spec.expose.rateLimit instead",
    ),
    BadSpec(
        "a class as an annotation",
        ingress(ingress={"annotations": {"kubernetes.io/ingress.class": "nginx"}}),
        "use spec.expose.ingress.className instead",
    ),
    BadSpec(
        "an annotation that writes configuration",
        ingress(ingress={"annotations": {"haproxy-ingress.github.io/config-backend": "x"}}),
        "put others into unsafeAnnotations",
    ),
    BadSpec(
        "a snippet",
        ingress(ingress={"annotations": {"nginx.ingress.kubernetes.io/server-snippet": "x"}}),
        "put others into unsafeAnnotations",
    ),
    BadSpec(
        "configuration under a prefix that controllers share",
        ingress(ingress={"annotations": {"ingress.kubernetes.io/config-backend": "x"}}),
        "put others into unsafeAnnotations",
    ),
    BadSpec(
        "configuration in the value of a setting",
        ingress(ingress={"annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "8m;"}}),
        "letters, digits, blanks and the signs",
    ),
    BadSpec(
        "a network without its length",
        egress(cidr="10.20.0.0"),
        "write a network with its prefix length, such as 10.20.0.0/16",
        FORM,
    ),
    BadSpec(
        "an address that is none",
        egress(cidr="10.20.0.300/32"),
        "spec.networkPolicy.extraEgress[0].cidr in body should match",
        FORM,
    ),
    BadSpec(
        "a port that is none",
        egress(cidr="10.20.0.0/16", ports=[70000]),
        "should be less than or equal to 65535",
        "expected `int` <= 65535",
    ),
    BadSpec(
        "a namespace in upper case",
        minimal(networkPolicy={"ingressNamespaces": ["Edge"]}),
        "spec.networkPolicy.ingressNamespaces[0] in body should match",
        FORM,
    ),
    BadSpec(
        "an unknown mode",
        minimal(mode="DryRun"),
        'supported values: "Apply", "Plan"',
        "spec.mode: invalid enum value",
    ),
    BadSpec(
        "an unknown deletion policy",
        minimal(deletionPolicy="Orphan"),
        'supported values: "Delete", "Retain"',
        "spec.deletionPolicy: invalid enum value",
    ),
    BadSpec(
        "suspend as a word",
        minimal(suspend="yes"),
        "must be of type boolean",
        "spec.suspend: expected `bool`, got `str`",
    ),
]
