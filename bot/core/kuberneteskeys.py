"""The keys of the section `kubernetes` of the central config."""

from __future__ import annotations

from collections.abc import Mapping

from bot.core import centraltext, fieldtext, yamltree
from bot.core import kubernetestext as words
from bot.core.forms import (
    ANY_SCALAR,
    NUMBERS,
    Choice,
    Flag,
    Form,
    Key,
    Listing,
    Named,
    Record,
    Schema,
    Text,
    Whole,
)
from bot.core.mistakes import Mark, Notes
from bot.core.podoverrides import check
from bot.core.yamldata import plain_data

_FILE = Text("file path", centraltext.file_path, told=False)
_ADDRESS = Text("address (`https://git.example.com`)", centraltext.address, told=False)
_DURATION = Text("duration (`30m`)", fieldtext.whole_seconds)
_SIZE = Text("size (`4Gi`)", fieldtext.memory)
_CPU = Text("processors (`2`, `500m`)", fieldtext.cpu, NUMBERS)
_IMAGE = Text("image", words.image)
_NAME = Text("name in the cluster", words.object_name)
_LABELS = Named(Text("label", words.label_key), Text("value", words.label_value, ANY_SCALAR))
_ENVIRONMENT = Named(
    Text("variable", words.variable), Text("text", fieldtext.value, ANY_SCALAR), most=50
)

# -- tolerations, in the cluster's own words ------------------------------------------------------
TAINT = Key("key", Text("label", words.label_key), "The taint's key.", "every taint")
OPERATOR: Key[str] = Key("operator", Choice(("Equal", "Exists")), "How it compares.", "`Equal`")
TAINT_VALUE = Key("value", Text("value", words.label_value, ANY_SCALAR), "Its value.", "none")
EFFECT: Key[str] = Key(
    "effect",
    Choice(("NoSchedule", "PreferNoSchedule", "NoExecute")),
    "The effect that is tolerated.",
    "all",
)
TOLERATED = Key(
    "tolerationSeconds", Whole(0, 10**6), "How long, in seconds, `NoExecute` is.", "for ever"
)
TOLERATION = Record("tolerations", (TAINT, OPERATOR, TAINT_VALUE, EFFECT, TOLERATED))
_TOLERATIONS = Listing(TOLERATION)

# -- where ---------------------------------------------------------------------------------------
INSTANCE = Key(
    "instance",
    Text("name", words.instance),
    "Names this installation where several share a namespace.",
    "`main`",
)
KUBECONFIG = Key(
    "kubeconfig", _FILE, "How the cluster is reached.", "the service account of the bot's own pod"
)
NAMESPACE = Key(
    "namespace", Text("namespace", words.namespace), "Where build pods run.", required=True
)
BUILDER_IMAGE = Key(
    "builder-image", _IMAGE, "The bot's own image, which builds run too.", required=True
)
DOCKERD_IMAGE = Key("dockerd-image", _IMAGE, "An image with dockerd.", "`docker:29-dind`")
NODE_SELECTOR = Key("node-selector", _LABELS, "Labels of the nodes that take builds.", "any node")
TOLERATIONS = Key("tolerations", _TOLERATIONS, "Taints of those nodes.", "none")
RUNTIME_CLASS = Key("runtime-class", _NAME, "Such as one of virtual machines.", "the node's own")
PRIORITY_CLASS = Key("priority-class", _NAME, "The pods' priority.", "the cluster's default")
PULL_SECRETS = Key(
    "image-pull-secrets", Listing(_NAME, alone=True), "Secrets that pull the two images.", "none"
)

# -- how much ------------------------------------------------------------------------------------
CPU = Key("cpu", _CPU, "Processors that a build requests; none is limited.", "`1`")
MEMORY = Key("memory", _SIZE, "Memory of a build, requested and limited.", "`4Gi`")
DISK = Key("disk", _SIZE, "Disk of dockerd: layers and cache of one build.", "`20Gi`")
SOURCE_DISK = Key("source-disk", _SIZE, "Disk of the checkout.", "`4Gi`")
CPU_MOST = Key("cpu-max", _CPU, "The most that a repository may ask for.", "`8`")
MEMORY_MOST = Key("memory-max", _SIZE, "The most that a repository may ask for.", "`16Gi`")
DOCKERD_MEMORY = Key("dockerd-memory", _SIZE, "Memory of dockerd itself, on top.", "`1Gi`")
BUILDER_MEMORY = Key("builder-memory", _SIZE, "Memory of the builder beside it.", "`1Gi`")
RESOURCES = Record(
    "resources",
    (CPU, MEMORY, DISK, SOURCE_DISK, CPU_MOST, MEMORY_MOST, DOCKERD_MEMORY, BUILDER_MEMORY),
)
RESOURCES_KEY = Key("resources", RESOURCES, "What a build may use.", "see there")
START = Key(
    "start-timeout",
    _DURATION,
    "What pulling and starting may take besides the build's own timeout.",
    "`15m`",
)

# -- network -------------------------------------------------------------------------------------
CA_CONFIG_MAP = Key(
    "ca-config-map",
    _NAME,
    "A ConfigMap whose `ca.crt` holds *all* certificates that builds trust.",
    "the images' own",
)
HTTP_PROXY = Key("http", _ADDRESS, "`HTTP_PROXY` of build pods.", "none")
HTTPS_PROXY = Key("https", _ADDRESS, "`HTTPS_PROXY` of build pods.", "none")
NO_PROXY = Key(
    "none",
    Text("hosts", words.no_proxy),
    "`NO_PROXY` of build pods: hosts and domains; git there reads no ranges of addresses.",
    "none",
)
PROXIES = Record("proxies", (HTTP_PROXY, HTTPS_PROXY, NO_PROXY))
PROXIES_KEY = Key(
    "proxies",
    PROXIES,
    "Proxies of build pods: of git, the build client and dockerd. Steps (`RUN`) get none.",
    "none",
)
BUILDER_ENV = Key("builder-env", _ENVIRONMENT, "More variables of the builder.", "none")
DOCKERD_ENV = Key("dockerd-env", _ENVIRONMENT, "More variables of dockerd.", "none")

# -- approved builds of forks --------------------------------------------------------------------
SHARED_NODES = Key(
    "shared-nodes",
    Flag(),
    "Your signature that strangers' builds may run beside others: a build pod is root on its node.",
    "`false`",
)
CLONE = Key(
    "clone",
    Flag(),
    "Whether such a pod may hold the credential that clones a private repository.",
    "`false`",
)
UNTRUSTED = Record(
    "untrusted",
    (NAMESPACE, NODE_SELECTOR, TOLERATIONS, SHARED_NODES, CLONE),
    renamed={
        "nodeSelector": "here it is node-selector",
        "sharedNodes": "here it is shared-nodes",
    },
)
UNTRUSTED_KEY = Key(
    "untrusted", UNTRUSTED, "Where approved builds of forks run.", "nowhere: they are refused"
)


class _Override:
    """Any data, held against what an administrator may add to a pod."""

    words = "mapping, see [the build pod](build-pod.md)"

    def read(self, node: yamltree.Node, notes: Notes) -> Mapping[str, object] | None:
        data = plain_data(node)
        if not isinstance(data, dict):
            notes.wrong(node.mark, "expected a mapping: metadata and spec of a pod")
            return None
        for said in check(data):
            notes.wrong(_place(node, said.partition(" ")[0].rstrip(":")), said)
        return data

    def schema(self) -> Schema:
        return {"type": "object"}


def _place(node: yamltree.Node, path: str) -> Mark:
    """Where in the file the path is, as far as it can be followed; list items go by their name."""
    mark = node.mark
    for word in path.split("."):
        match node:
            case yamltree.Mapping():
                found = next((one for one in node.entries if one.key == word), None)
                if found is None:
                    return mark
                node, mark = found.value, found.mark
            case yamltree.Sequence():
                named = (one for one in node.items if _name(one) == word)
                item = next(named, None)
                if item is None:
                    return mark
                node, mark = item, item.mark
            case yamltree.Scalar():
                return mark
    return mark


def _name(node: yamltree.Node) -> str | None:
    if not isinstance(node, yamltree.Mapping):
        return None
    names = (one.value for one in node.entries if one.key == "name")
    return next((one.text for one in names if isinstance(one, yamltree.Scalar)), None)


_OVERRIDE: Form[Mapping[str, object]] = _Override()
POD = Key("pod", _OVERRIDE, "Laid over every build pod.", "nothing")

KUBERNETES = Record(
    "kubernetes",
    (
        INSTANCE,
        KUBECONFIG,
        NAMESPACE,
        BUILDER_IMAGE,
        DOCKERD_IMAGE,
        RESOURCES_KEY,
        START,
        NODE_SELECTOR,
        TOLERATIONS,
        RUNTIME_CLASS,
        PRIORITY_CLASS,
        PULL_SECRETS,
        CA_CONFIG_MAP,
        PROXIES_KEY,
        BUILDER_ENV,
        DOCKERD_ENV,
        POD,
        UNTRUSTED_KEY,
    ),
    renamed={
        "image": "there are two: builder-image and dockerd-image",
        "nodeSelector": "here it is node-selector",
    },
)
KUBERNETES_RECORDS = (KUBERNETES, RESOURCES, TOLERATION, PROXIES, UNTRUSTED)
