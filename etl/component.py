"""A tenant inside a Dagster project of somebody else, as a component of `dg`: `type: etl.TenantComponent`.

Belongs here: the component, and what `dg scaffold defs etl.TenantComponent acme` writes. Not here: the definitions of a
tenant (`etl.definitions`), a project that has only tenants (`etl.all`).
"""

import os
from pathlib import Path
from typing import Annotated

from dagster import (
    Component,
    ComponentLoadContext,
    Definitions,
    Model,
    Resolvable,
    Resolver,
    Scaffolder,
    ScaffoldRequest,
    scaffold_with,
)
from dagster.components.component_scaffolding import scaffold_component
from dagster_shared.record import copy
from pydantic import BaseModel, ConfigDict

from etl.cli.init import make_tenants_folder
from etl.cli.new import make_tenant
from etl.definitions import load_location
from etl.errors import EtlError
from etl.settings import load_settings


class TenantParams(BaseModel):
    """What `dg scaffold defs etl.TenantComponent` may be given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    group: str | None = None
    """The asset group of a new tenant, for example CD or NPS."""


class TenantScaffolder(Scaffolder[TenantParams]):
    """Writes the `defs.yaml` of a tenant, and makes the tenant itself if there is none of that name."""

    @classmethod
    def get_scaffold_params(cls) -> type[TenantParams]:
        """Return the model of the options."""
        return TenantParams

    def scaffold(self, request: ScaffoldRequest[TenantParams]) -> None:
        """Write `defs.yaml`. A tenant that exists is left as it is."""
        if request.scaffold_format != "yaml":
            raise EtlError("a tenant is a component in YAML", "leave --format out, or write: --format yaml")
        tenant = request.target_path.name
        root = request.project_root or Path.cwd()
        make_tenants_folder(root)
        settings = load_settings({**os.environ, "ETL_PROJECT_DIR": str(root)})
        folder = settings.tenants_dir / tenant
        is_project_of_tenants = folder.resolve() == request.target_path.resolve()  # as `etl init` makes it
        if is_project_of_tenants and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()  # dg has just made it
        if not folder.exists():
            make_tenant(settings, tenant, request.params.group, in_workspace=is_project_of_tenants)
        scaffold_component(request, {"tenant": tenant})  # dg wants the file, also where all tenants are served anyway


@scaffold_with(TenantScaffolder)
class TenantComponent(Component, Model, Resolvable):
    """The whole of one tenant: its assets, checks, jobs, schedules and sensors, from `tenants/<tenant>/config.yaml`.

    The folder `tenants` stands in the project's root, or in the folder that ETL_PROJECT_DIR names.
    """

    tenant: Annotated[
        str,
        Resolver.default(
            description="The tenant's id, which is the name of its folder below `tenants/`.", examples=["project_01"]
        ),
    ]

    def build_defs(self, context: ComponentLoadContext) -> Definitions:
        """Return the tenant's definitions, without an executor: the project around the tenant has its own.

        The tenant's jobs name their executor themselves.
        """
        _ = context
        return copy(load_location(self.tenant), executor=None)
