"""The commands `catactl user …`, and the options that several of them have."""

from typing import Annotated

from typer import Argument, Option

from catactl.store import users

UserArgument = Annotated[str, Argument(metavar="USER", help="User, by e-mail address or id.")]
NameOption = Annotated[str | None, Option("--name", metavar="TEXT", help="Name of the person.")]
RoleOption = Annotated[
    users.Role | None, Option("--role", metavar="ROLE", help="owner, admin or member.")
]
