"""The commands `catactl user …`, and the options that several of them have."""

from typing import Annotated

import typer

from catactl.store import users

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="User, by e-mail address or id.")]
NameOption = Annotated[
    str | None, typer.Option("--name", metavar="TEXT", help="Name of the person.")
]
RoleOption = Annotated[
    users.Role | None, typer.Option("--role", metavar="ROLE", help="owner, admin or member.")
]
