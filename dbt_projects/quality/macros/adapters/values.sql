{# How values are written and compared in each database, exactly. #}

{% macro dq_text_literal(value) %}
    {{ return(adapter.dispatch('dq_text_literal', 'quality')(value)) }}
{% endmacro %}

{% macro default__dq_text_literal(value) %}
    {{ return("'" ~ value | replace("'", "''") ~ "'") }}
{% endmacro %}

{# These read a backslash in a literal as an escape. #}
{% macro snowflake__dq_text_literal(value) %}
    {{ return("'" ~ value | replace("\\", "\\\\") | replace("'", "''") ~ "'") }}
{% endmacro %}

{% macro bigquery__dq_text_literal(value) %}
    {{ return("'" ~ value | replace("\\", "\\\\") | replace("'", "\\'") | replace("\n", "\\n") ~ "'") }}
{% endmacro %}

{% macro databricks__dq_text_literal(value) %}
    {{ return(quality.bigquery__dq_text_literal(value)) }}
{% endmacro %}

{% macro redshift__dq_text_literal(value) %}
    {{ return(quality.snowflake__dq_text_literal(value)) }}
{% endmacro %}

{# PostgreSQL keeps backslashes as they are, whatever standard_conforming_strings says, only in this form. #}
{% macro postgres__dq_text_literal(value) %}
    {% if "\\" in value %}
        {{ return("E'" ~ value | replace("\\", "\\\\") | replace("'", "''") ~ "'") }}
    {% endif %}
    {{ return(quality.default__dq_text_literal(value)) }}
{% endmacro %}

{# A value as text, by code point: a collation of the database has no say. #}
{% macro dq_as_text(expression) %}
    {{ return(adapter.dispatch('dq_as_text', 'quality')(expression)) }}
{% endmacro %}

{% macro default__dq_as_text(expression) %}
    {{ return('cast(' ~ expression ~ ' as ' ~ api.Column.translate_type('string') ~ ')') }}
{% endmacro %}

{% macro postgres__dq_as_text(expression) %}
    {{ return('cast(' ~ expression ~ ' as text) collate "C"') }}
{% endmacro %}

{% macro duckdb__dq_as_text(expression) %}
    {{ return('cast(' ~ expression ~ ' as varchar)') }}
{% endmacro %}

{% macro trino__dq_as_text(expression) %}
    {{ return('cast(' ~ expression ~ ' as varchar)') }}
{% endmacro %}

{# The type of floats: 64 bits. #}
{% macro dq_double(expression) %}
    {{ return('cast(' ~ expression ~ ' as ' ~ adapter.dispatch('dq_double_type', 'quality')() ~ ')') }}
{% endmacro %}

{% macro default__dq_double_type() %}{{ return('double precision') }}{% endmacro %}
{% macro duckdb__dq_double_type() %}{{ return('double') }}{% endmacro %}
{% macro trino__dq_double_type() %}{{ return('double') }}{% endmacro %}
{% macro databricks__dq_double_type() %}{{ return('double') }}{% endmacro %}
{% macro bigquery__dq_double_type() %}{{ return('float64') }}{% endmacro %}
{% macro snowflake__dq_double_type() %}{{ return('float') }}{% endmacro %}

{# A condition that holds where the value is NaN; `false` for kinds that have none. #}
{% macro dq_is_nan(expression, kind) %}
    {{ return(adapter.dispatch('dq_is_nan', 'quality')(expression, kind)) }}
{% endmacro %}

{% macro default__dq_is_nan(expression, kind) %}
    {{ return('isnan(' ~ expression ~ ')' if kind == 'float' else 'false') }}
{% endmacro %}

{% macro postgres__dq_is_nan(expression, kind) %}
    {{ return(expression ~ " = 'NaN'" if kind in ['float', 'decimal'] else 'false') }}
{% endmacro %}

{% macro redshift__dq_is_nan(expression, kind) %}
    {{ return(expression ~ " = 'NaN'" if kind == 'float' else 'false') }}
{% endmacro %}

{% macro snowflake__dq_is_nan(expression, kind) %}
    {{ return(expression ~ " = 'NaN'::float" if kind == 'float' else 'false') }}
{% endmacro %}

{% macro trino__dq_is_nan(expression, kind) %}
    {{ return('is_nan(' ~ expression ~ ')' if kind == 'float' else 'false') }}
{% endmacro %}

{% macro bigquery__dq_is_nan(expression, kind) %}
    {{ return('is_nan(' ~ expression ~ ')' if kind == 'float' else 'false') }}
{% endmacro %}

{# A truth value that is never computed: the query stops with the message. Better no verdict than a wrong one. #}
{% macro dq_stop(message) %}
    {{ return(adapter.dispatch('dq_stop', 'quality')(message)) }}
{% endmacro %}

{% macro default__dq_stop(message) %}
    {{ exceptions.raise_compiler_error('data quality: ' ~ target.type ~ ' cannot judge this exactly: ' ~ message) }}
{% endmacro %}

{% macro duckdb__dq_stop(message) %}
    {{ return('cast(error(' ~ quality.dq_text_literal('data quality: ' ~ message) ~ ') as boolean)') }}
{% endmacro %}

{# A cast of a constant would be computed while planning, so the text hangs on a value of the row. #}
{% macro postgres__dq_stop(message) %}
    {{ return('cast(' ~ quality.dq_text_literal('data quality: ' ~ message) ~ " || left(cast(random() as text), 1) as boolean)") }}
{% endmacro %}

{% macro trino__dq_stop(message) %}
    {{ return('cast(fail(' ~ quality.dq_text_literal('data quality: ' ~ message) ~ ') as boolean)') }}
{% endmacro %}

{# A number of the YAML (or a number in quotes) written out without an exponent. #}
{% macro dq_number(value, rule) %}
    {% set text = value | string | trim %}
    {% if value is boolean or not modules.re.match('^[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?$', text) %}
        {% if text | lower in ['inf', '+inf', '-inf', 'infinity', '-infinity'] %}{{ return(text | lower | replace('infinity', 'inf') | replace('+', '')) }}{% endif %}
        {{ quality.dq_refuse(rule, '`' ~ value ~ '` is not a number, and the column is one') }}
    {% endif %}
    {% set text = text | lower | replace('+', '') %}
    {% if 'e' not in text %}{{ return(text) }}{% endif %}
    {% set mantissa, exponent = text.split('e')[0], text.split('e')[1] | int %}
    {% set sign = '-' if mantissa.startswith('-') else '' %}
    {% set whole = mantissa.replace('-', '').split('.')[0] %}
    {% set fraction = mantissa.split('.')[1] if '.' in mantissa else '' %}
    {% if exponent >= 0 %}
        {% set fraction = fraction ~ '0' * exponent %}
        {{ return(sign ~ whole ~ fraction[:exponent] ~ '.' ~ fraction[exponent:] ~ '0') }}
    {% endif %}
    {% set whole = '0' * (-exponent) ~ whole %}
    {{ return(sign ~ whole[:exponent] ~ '.' ~ whole[exponent:] ~ fraction) }}
{% endmacro %}

{# `column operator value` for one literal, exact for each kind of column; NaN is never good. #}
{% macro dq_compare(rule, column, operator, value) %}
    {% set quoted, kind = quality.dq_quote(column.name), column.kind %}
    {% if kind in ['integer', 'decimal'] %}
        {% set number = quality.dq_number(value, rule) %}
        {% if 'inf' in number %}
            {% set holds = (operator in ['<', '<=', '<>']) if number == 'inf' else (operator in ['>', '>=', '<>']) %}
            {{ return('(case when ' ~ quoted ~ ' is not null then ' ~ ('true' if holds else 'false') ~ ' end)') }}
        {% endif %}
        {% set compared = quoted ~ ' ' ~ operator ~ ' ' ~ quality.dq_exact_literal(number) %}
        {{ return('(' ~ compared ~ ' and not ' ~ quality.dq_is_nan(quoted, kind) ~ ')' if kind == 'decimal' else '(' ~ compared ~ ')') }}
    {% elif kind == 'float' %}
        {{ return(quality.dq_compare_float(quoted, operator, quality.dq_number(value, rule), column.type)) }}
    {% elif kind in ['date', 'timestamp', 'timestamptz', 'time'] %}
        {{ return('(' ~ quoted ~ ' ' ~ operator ~ ' ' ~ quality.dq_moment(rule, column, value) ~ ')') }}
    {% elif kind == 'text' %}
        {% if value is not string %}{{ quality.dq_refuse(rule, '`' ~ value ~ '` is not text, and the column ' ~ column.name ~ ' is; write it in quotes') }}{% endif %}
        {{ return('(' ~ quality.dq_as_text(quoted) ~ ' ' ~ operator ~ ' ' ~ quality.dq_text_literal(value) ~ ')') }}
    {% elif kind == 'boolean' %}
        {% if value is not boolean %}{{ quality.dq_refuse(rule, '`' ~ value ~ '` is not true or false, and the column ' ~ column.name ~ ' is') }}{% endif %}
        {{ return('(' ~ quoted ~ ' ' ~ operator ~ ' ' ~ ('true' if value else 'false') ~ ')') }}
    {% elif kind == 'interval' and value | string == '0' %}
        {{ return("(" ~ quoted ~ " " ~ operator ~ " interval '0' second)") }}
    {% endif %}
    {{ quality.dq_refuse(rule, 'the column ' ~ column.name ~ ' has the type ' ~ column.type ~ ', which cannot be compared with `' ~ value ~ '` exactly') }}
{% endmacro %}

{# A number beside integers and decimals. DuckDB would read a long one as a float, and Trino refuses one beyond 64 bits. #}
{% macro dq_exact_literal(number) %}
    {{ return(adapter.dispatch('dq_exact_literal', 'quality')(number)) }}
{% endmacro %}

{% macro default__dq_exact_literal(number) %}{{ return(number) }}{% endmacro %}
{% macro trino__dq_exact_literal(number) %}{{ return("decimal '" ~ number ~ "'") }}{% endmacro %}
{% macro duckdb__dq_exact_literal(number) %}
    {% set digits = number.replace('-', '').replace('.', '').lstrip('0') %}
    {% set scale = number.split('.')[1] | length if '.' in number else 0 %}
    {{ return("cast('" ~ number ~ "' as decimal(" ~ [38, [digits | length, scale + 1] | max] | min ~ ', ' ~ scale ~ '))') }}
{% endmacro %}

{# Floats are compared with the number's nearest float, a fraction with the nearest of the column's own width; an integer
   that no float equals, by the float beside it. #}
{% macro dq_compare_float(quoted, operator, number, data_type) %}
    {% set wide = quality.dq_double(quoted) %}
    {% set literal = quality.dq_double("'" ~ ('Infinity' if number == 'inf' else '-Infinity' if number == '-inf' else number) ~ "'") %}
    {% set near = number | float | int if 'inf' not in number and modules.re.match('^-?\\d+\\.?0*$', number) else none %}
    {% set asked = number.split('.')[0] | int if near is not none else none %}
    {% set value = 0.0 if 'inf' in number else number | float %}
    {% if value % 1 and value | abs > 1.4e-45 and quality.dq_exact_dtype(data_type) == 'Float32' %}
        {% set literal = quality.dq_double('cast(' ~ literal ~ ' as ' ~ ('float' if target.type == 'databricks' else 'real') ~ ')') %}
    {% endif %}
    {% if near is not none and near != asked %}
        {% if operator == '=' %}{{ return('(case when ' ~ quoted ~ ' is not null then false end)') }}{% endif %}
        {% if operator == '<>' %}{{ return('(not ' ~ quality.dq_is_nan(wide, 'float') ~ ')') }}{% endif %}
        {% set operator = ('<=' if near < asked else '<') if operator in ['<', '<='] else ('>' if near < asked else '>=') %}
    {% endif %}
    {{ return('(' ~ wide ~ ' ' ~ operator ~ ' ' ~ literal ~ ' and not ' ~ quality.dq_is_nan(wide, 'float') ~ ')') }}
{% endmacro %}

{# A date, a moment or a time of day as a literal of the column's own kind. #}
{% macro dq_moment(rule, column, value) %}
    {% set text = (value | string | trim).replace('T', ' ') %}
    {% set is_date = modules.re.match('^\\d{4}-\\d{2}-\\d{2}$', text) %}
    {% set is_moment = modules.re.match('^\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?$', text) %}
    {% set is_zoned = modules.re.match('^\\d{4}-\\d{2}-\\d{2} \\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?(Z|[+-]\\d{2}:?\\d{2})$', text) %}
    {% if value is number or value is boolean %}
        {{ quality.dq_refuse(rule, '`' ~ value ~ '` is not a date or a moment, and the column ' ~ column.name ~ ' is ' ~ column.type) }}
    {% elif column.kind == 'date' and is_date %}
        {{ return("date '" ~ text ~ "'") }}
    {% elif column.kind == 'timestamp' and (is_date or is_moment) %}
        {{ return("timestamp '" ~ text ~ (' 00:00:00' if is_date else '') ~ "'") }}
    {% elif column.kind == 'timestamptz' and is_zoned %}
        {{ return(quality.dq_instant(text)) }}
    {% elif column.kind == 'timestamptz' and (is_date or is_moment) %}
        {{ quality.dq_refuse(rule, '`' ~ value ~ '` has no time zone, and ' ~ column.type ~ ' keeps none of its own: write it like 2026-01-31T00:00:00+09:00') }}
    {% elif column.kind == 'time' and modules.re.match('^\\d{2}:\\d{2}(:\\d{2}(\\.\\d{1,6})?)?$', text) %}
        {{ return("cast('" ~ text ~ "' as " ~ column.type ~ ")") }}
    {% endif %}
    {{ quality.dq_refuse(rule, '`' ~ value ~ '` does not fit the column ' ~ column.name ~ ', which is ' ~ column.type) }}
{% endmacro %}

{# A moment with its offset from UTC, to the microsecond. #}
{% macro dq_instant(text) %}
    {{ return("cast('" ~ text ~ "' as " ~ adapter.dispatch('dq_instant_type', 'quality')() ~ ')') }}
{% endmacro %}

{% macro default__dq_instant_type() %}{{ return('timestamp with time zone') }}{% endmacro %}
{# Without a number, Trino keeps milliseconds. #}
{% macro trino__dq_instant_type() %}{{ return('timestamp(6) with time zone') }}{% endmacro %}

{# A sum that does not overflow: Trino and Databricks sum integers in 64 bits. #}
{% macro dq_sum(expression, kind) %}
    {{ return(adapter.dispatch('dq_sum', 'quality')(expression, kind)) }}
{% endmacro %}

{% macro default__dq_sum(expression, kind) %}{{ return('sum(' ~ expression ~ ')') }}{% endmacro %}
{% macro trino__dq_sum(expression, kind) %}
    {{ return('sum(' ~ ('cast(' ~ expression ~ ' as decimal(38, 0))' if kind == 'integer' else expression) ~ ')') }}
{% endmacro %}
{% macro databricks__dq_sum(expression, kind) %}{{ return(quality.trino__dq_sum(expression, kind)) }}{% endmacro %}

{# A name of a column, whatever characters it has. #}
{% macro dq_quote(name) %}
    {{ return(adapter.dispatch('dq_quote', 'quality')(name)) }}
{% endmacro %}

{% macro default__dq_quote(name) %}{{ return('"' ~ name | replace('"', '""') ~ '"') }}{% endmacro %}
{% macro bigquery__dq_quote(name) %}{{ return('`' ~ name | replace('`', '\\`') ~ '`') }}{% endmacro %}
{% macro databricks__dq_quote(name) %}{{ return('`' ~ name | replace('`', '``') ~ '`') }}{% endmacro %}
