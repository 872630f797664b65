{# Every tenant has a schema of its own, whatever the target's default is. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set base = var('schema') or 'dbt_' ~ var('tenant') -%}
    {{ base ~ ('_' ~ custom_schema_name | trim if custom_schema_name else '') }}
{%- endmacro %}
