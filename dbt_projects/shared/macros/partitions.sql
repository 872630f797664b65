{# The day that a row of an extract belongs to. On the lake it is the folder, and in a table that a pipeline loads its
   partition, so that a filter on it opens no other file; elsewhere it is the day of the date column. #}
{% macro partition_day(date_column) -%}
    {{ return(adapter.dispatch('partition_day', 'shared')(date_column)) }}
{%- endmacro %}

{% macro duckdb__partition_day(date_column) -%}
    cast(dt as date)
{%- endmacro %}

{% macro trino__partition_day(date_column) -%}
    etl_partition
{%- endmacro %}

{% macro default__partition_day(date_column) -%}
    cast({{ date_column }} as date)
{%- endmacro %}

{# The days that this run is about: [partition_start, partition_end), or all where the variables are empty. #}
{% macro in_partitions(day) -%}
    {%- set start, end = var('partition_start'), var('partition_end') -%}
    {%- if start %}{{ day }} >= date '{{ start }}'{% else %}1 = 1{% endif -%}
    {%- if end %} and {{ day }} < date '{{ end }}'{% endif -%}
{%- endmacro %}
