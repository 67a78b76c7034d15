"""Phone numbers on the command line: the region of national numbers, and subscribers as keys."""

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
    """The key of a subscriber that the user names by a phone number in any form, or by an id.

    Text that is not a number is used unchanged, because a key can be any text.
    """
    from streamproc.contracts.numbers import NumberError, Numbering, subscriber_key

    try:
        return subscriber_key(subscriber, Numbering(region))
    except NumberError:
        return subscriber
