"""How editors learn the schema of a tenant's file: the settings of each editor.

Belongs here: the file that each editor reads, and its text. Not here: the schema (`schema`), and writing files.

A language server for YAML also reads the first line of a file, `# yaml-language-server: $schema=...`, and needs no
settings for files that have that line. The settings hold for files without it, too.
"""

import json
from dataclasses import dataclass

SCHEMA_FILE = "tenants/tenant.schema.json"
FILES = "tenants/*/config.yaml"


@dataclass(frozen=True, slots=True)
class EditorSettings:
    """The settings of one editor."""

    path: str
    """Where the editor reads them, from the project's folder."""
    text: str
    needs: str
    """What has to be installed."""


_SERVER = "yaml-language-server: `npm install -g yaml-language-server`"
_YAML = {"yaml.schemas": {f"./{SCHEMA_FILE}": [FILES]}, "yaml.validate": True, "yaml.completion": True}
_JETBRAINS = f"""\
<?xml version="1.0" encoding="UTF-8"?>
<project version="4">
  <component name="JsonSchemaMappingsProjectConfiguration">
    <state>
      <map>
        <entry key="A tenant">
          <value>
            <SchemaInfo>
              <option name="name" value="A tenant" />
              <option name="relativePathToSchema" value="{SCHEMA_FILE}" />
              <option name="patterns">
                <list>
                  <Item>
                    <option name="path" value="{FILES}" />
                    <option name="mappingKind" value="Pattern" />
                  </Item>
                </list>
              </option>
            </SchemaInfo>
          </value>
        </entry>
      </map>
    </state>
  </component>
</project>
"""
_HELIX = f"""\
[language-server.yaml-language-server.config.yaml.schemas]
"./{SCHEMA_FILE}" = "{FILES}"
"""
_NEOVIM = f"""\
-- Neovim 0.11 reads this file in the project's folder if `vim.o.exrc = true` is set.
vim.lsp.config("yamlls", {{
  settings = {{ yaml = {{ schemas = {{ [vim.fn.getcwd() .. "/{SCHEMA_FILE}"] = "{FILES}" }} }} }},
}})
vim.lsp.enable("yamlls")
"""
_EMACS = f"""\
((yaml-ts-mode . ((eglot-workspace-configuration . (:yaml (:schemas (:./{SCHEMA_FILE} "{FILES}"))))))
 (yaml-mode . ((eglot-workspace-configuration . (:yaml (:schemas (:./{SCHEMA_FILE} "{FILES}")))))))
"""
_ZED = {"lsp": {"yaml-language-server": {"settings": {"yaml": {"schemas": {f"./{SCHEMA_FILE}": [FILES]}}}}}}
_SUBLIME = {"settings": {"LSP": {"LSP-yaml": {"settings": {"yaml.schemas": {f"./{SCHEMA_FILE}": FILES}}}}}}


def _json(data: object) -> str:
    return json.dumps(data, indent=2) + "\n"


EDITORS: dict[str, EditorSettings] = {
    "vscode": EditorSettings(".vscode/settings.json", _json(_YAML), "the extension `redhat.vscode-yaml`"),
    "jetbrains": EditorSettings(".idea/jsonSchemas.xml", _JETBRAINS, "nothing: PyCharm and IntelliJ read YAML"),
    "helix": EditorSettings(".helix/languages.toml", _HELIX, _SERVER),
    "neovim": EditorSettings(".nvim.lua", _NEOVIM, _SERVER),
    "emacs": EditorSettings(".dir-locals.el", _EMACS, f"eglot, and {_SERVER}"),
    "zed": EditorSettings(".zed/settings.json", _json(_ZED), "nothing: Zed brings the server"),
    "sublime": EditorSettings("tenants.sublime-project", _json(_SUBLIME), "the packages LSP and LSP-yaml"),
}
"""The settings of each editor, by its name."""
