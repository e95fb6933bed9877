"""`python -m usertesting_source.sample_api`: serve the sample API and print the settings that lead to it."""

from __future__ import annotations

import json
import threading

import click

from ..sample_api import SampleApi, shop_studies


def settings_of(api: SampleApi, rate_limit: int, rate_period: float) -> dict[str, str]:
    """The environment variables that point the source to `api`; a quota of 0 leaves the source's own."""
    quota = {"RATE_LIMIT": str(rate_limit), "RATE_PERIOD": str(rate_period)} if rate_limit else {}
    prefix = "SOURCES__USERTESTING__"
    values = {
        "BASE_URL": api.base_url,
        "TOKEN_URL": api.token_url,
        "CREDENTIALS__CLIENT_ID": api.client_id,
        "CREDENTIALS__CLIENT_SECRET": api.client_secret,
        "TEST_IDS": json.dumps(api.test_ids),
        **quota,
    }
    return {prefix + name: value for name, value in values.items()}


@click.command()
@click.option("--port", default=8099, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option("--sessions", default=60, show_default=True, help="Sessions of all tests together.")
@click.option("--seed", default=7, show_default=True)
@click.option("--rate-limit", default=10, show_default=True, help="Requests per period; 0: no limit.")
@click.option("--rate-period", default=60.0, show_default=True, help="Seconds.")
def main(port: int, sessions: int, seed: int, rate_limit: int, rate_period: float) -> None:
    """Serve an invented shop's research as the UserTesting Results API would, until Ctrl-C."""
    with SampleApi(
        shop_studies(seed, sessions), rate_limit=rate_limit or None, rate_period=rate_period, port=port
    ) as api:
        for name, value in settings_of(api, rate_limit, rate_period).items():
            click.echo(f"export {name}='{value}'")
        click.echo("# serving until Ctrl-C", err=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            click.echo(f"# {api.count()} requests answered", err=True)


if __name__ == "__main__":
    main()
