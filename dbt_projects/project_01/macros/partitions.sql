{# The rows of the asked-for days. On the lake by folder, so that no other file is opened; elsewhere by the date column. #}
{% macro in_partitions(date_column) -%}
    {{ return(adapter.dispatch('in_partitions', 'project_01')(date_column)) }}
{%- endmacro %}

{% macro duckdb__in_partitions(date_column) -%}
    {{ project_01.between_days('dt') }}
{%- endmacro %}

{% macro default__in_partitions(date_column) -%}
    {{ project_01.between_days('cast(' ~ date_column ~ ' as date)') }}
{%- endmacro %}

{% macro between_days(day) -%}
    {%- set start, end = var('partition_start'), var('partition_end') -%}
    {%- if start %}{{ day }} >= date '{{ start }}'{% else %}1 = 1{% endif -%}
    {%- if end %} and {{ day }} < date '{{ end }}'{% endif -%}
{%- endmacro %}
