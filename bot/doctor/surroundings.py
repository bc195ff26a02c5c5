"""What builds need of the network: for probe pods and chained builds."""

from __future__ import annotations

from urllib.parse import urlsplit

from bot.core.centralconfig import CentralConfig
from bot.doctor.cluster import Deep
from bot.doctor.probes import Hosts, Reach
from bot.doctor.registries import Registries
from bot.doctor.samples import Trial
from bot.ports import Clock
from bot.registry.configured import ConfiguredRegistries
from bot.registry.references import api_host, parse_name

TAG = "pushwright-doctor"


def deep_wishes(config: CentralConfig, clock: Clock) -> Deep:
    """Raises what a credential helper says no with."""
    return Deep(hosts(config), _trial(config, clock))


def hosts(config: CentralConfig) -> Hosts:
    """Git hosts and registries, or the proxy in front of them. A Git host with a `ca-file` of its
    own is not asked for its certificate: its builds get that file."""
    found: dict[str, Reach] = {}
    pods = config.kubernetes.pods if config.kubernetes else None
    proxies = pods.network.proxies if pods else {}
    addresses = [source.url for source in config.sources.values()]
    own = {source.url for source in config.sources.values() if source.ca_file}
    for host, rule in config.registries.items():
        addresses.append(f"{'http' if rule.insecure else 'https'}://{api_host(host)}")
        addresses += rule.mirrors
    if proxies:  # what NO_PROXY lets out is not told apart: the proxy is what most need
        addresses = [address for name, address in proxies.items() if name != "NO_PROXY"]
    for address in addresses:
        parts = urlsplit(address)
        if parts.hostname:
            port = parts.port or (80 if parts.scheme == "http" else 443)
            secure = parts.scheme == "https" and address not in own
            found[f"{parts.hostname}:{port}"] = Reach(parts.hostname, port, secure)
    return found


def _trial(config: CentralConfig, clock: Clock) -> Trial | None:
    """In the first registry that has a credential for pods, or else an image name."""
    registries = Registries(config, clock)
    rules = sorted(config.registries.values(), key=lambda rule: rule.pod_auth_file is None)
    insecure = tuple(sorted(rule.host for rule in rules if rule.insecure))
    for rule in rules:
        for name in registries.names(rule.host):
            auths = ConfiguredRegistries(lambda: config, clock).plain_auths([str(parse_name(name))])
            return Trial(f"{name}:{TAG}", (), insecure, auths)
    return None
