"""Which proxy a request takes, by the variables that curl reads. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from imgpipe.fetch import urls


def proxy_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxy variables that are set, as curl reads them: `http_proxy` in lower case only (a web server
    sets HTTP_PROXY from a header), the others in either."""
    found = {"http_proxy": environment.get("http_proxy", "")}
    for name in ("https_proxy", "all_proxy", "no_proxy"):
        found[name] = environment.get(name) or environment.get(name.upper(), "")
    if not any(found[name] for name in ("http_proxy", "https_proxy", "all_proxy")):
        return {}
    return {name: value for name, value in found.items() if value}


def proxy_for(target: urls.Target, variables: Mapping[str, str]) -> str | None:
    """The proxy's URL for a target; None where it is to be reached directly."""
    proxy = variables.get(f"{target.scheme}_proxy") or variables.get("all_proxy")
    if not proxy:
        return None
    no_proxy = variables.get("no_proxy", "")
    from urllib.request import (  # type: ignore[attr-defined] # noqa: PLC0415 - typeshed lacks it; slow to load
        proxy_bypass_environment,
    )

    if no_proxy and proxy_bypass_environment(f"{target.host}:{target.port}", {"no": no_proxy}):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
