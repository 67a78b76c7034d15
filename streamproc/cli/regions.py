"""Phone numbers on the command line: the region of national ones, and subscribers as keys."""

from __future__ import annotations

from typing import Any

import click


class Region(click.ParamType):
    """An ISO 3166 code of two letters, such as CN."""

    name = "country"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from streamproc.contracts.numbers import UnknownRegionError, check_region

        try:
            return check_region(value)
        except UnknownRegionError as error:
            self.fail(str(error), param, ctx)


def asked_for(subscriber: str, region: str | None) -> str:
    """The key that somebody asks for by a phone number in whatever form, or by an id.

    What is no number is taken as it is: a key from outside may be anything.
    """
    from streamproc.contracts.numbers import NumberError, Numbering, subscriber_key

    try:
        return subscriber_key(subscriber, Numbering(region))
    except NumberError:
        return subscriber
