{# Verdicts: the rows that fail, or one line per rule with exact counts. #}

{# One rule over a table: the rows it judges, with the verdict in dq_good. #}
{% macro dq_judged(model, rule, columns) %}
    {% set where = quality.dq_condition(rule, columns, rule.where) if 'where' in rule else none %}
    {% if rule.type == 'monotonic' %}
        {{ return(quality.dq_judged_order(model, rule, columns, where)) }}
    {% endif %}
    {{ return('select dq_rows.*, ' ~ quality.dq_good(rule, columns) ~ ' as dq_good from '
        ~ ('(select * from ' ~ model ~ ' where ' ~ where ~ ') as dq_rows' if where else quality.dq_aliased(model))) }}
{% endmacro %}

{# A subquery that dbt made of `where` brings a name of its own; it is wrapped, so that the rows have one name. #}
{% macro dq_aliased(model) %}
    {{ return('(select * from ' ~ model ~ ') as dq_rows' if model is string else model ~ ' as dq_rows') }}
{% endmacro %}

{# Each value against the judged value before it; nulls and NaN are no value before. #}
{% macro dq_judged_order(model, rule, columns, where) %}
    {% set column = quality.dq_column(rule, columns, rule.column) %}
    {% do quality.dq_require(rule, column, ['integer', 'float', 'decimal', 'date', 'timestamp', 'timestamptz', 'time', 'interval']) %}
    {% do quality.dq_column(rule, columns, rule.order_by) %}
    {% set quoted = quality.dq_quote(column.name) %}
    {% set nan = quality.dq_is_nan(quoted, column.kind) %}
    {% set value = '(case when not ' ~ nan ~ ' then ' ~ quoted ~ ' end)' %}
    {% set rising = rule.get('direction', 'increasing') == 'increasing' %}
    {% set operator = ('>' if rising else '<') ~ ('' if rule.get('strict', false) else '=') %}
    {# Groups: every value starts one; the nulls and NaN after it belong to it. #}
    {{ return(
        'select dq_rows.*, case when ' ~ quoted ~ ' is null then null when ' ~ nan ~ ' then false '
        ~ 'when dq_before is null then true else ' ~ quoted ~ ' ' ~ operator ~ ' dq_before end as dq_good from ('
        ~ 'select dq_numbered.*, case when not dq_skipped then lag(' ~ quoted ~ ') over (partition by dq_skipped order by ' ~ quality.dq_quote(rule.order_by) ~ ') end as dq_before '
        ~ 'from (select dq_all.*, ' ~ value ~ ' is null as dq_skipped from (select * from ' ~ model ~ (' where ' ~ where if where else ' where 1 = 1')
        ~ ') as dq_all) as dq_numbered) as dq_rows'
    ) }}
{% endmacro %}

{# One line for one rule: name, type, severity, status, failed_count, total_count, message. #}
{% macro dq_line(model, rule, columns, position) %}
    {% set name = rule.get('name') or (rule.type ~ ('__' ~ rule.columns | join('_') if rule.columns else '')) %}
    {% set head = 'select ' ~ position ~ ' as dq_position, ' ~ quality.dq_text_literal(name) ~ ' as dq_rule, ' ~ quality.dq_text_literal(rule.type) ~ ' as dq_type, '
        ~ quality.dq_text_literal(rule.get('severity', 'error')) ~ ' as dq_severity, ' %}
    {% if rule.type in quality.dq_table_rules() %}
        {{ return(head ~ 'case when dq_ok then ' ~ quality.dq_text_literal('passed') ~ ' else ' ~ quality.dq_text_literal('failed') ~ ' end as dq_status, '
            ~ 'case when dq_ok then 0 else 1 end as dq_failed_count, dq_judged as dq_total_count, ' ~ 'dq_actual from (' ~ quality.dq_table_verdict(model, rule, columns) ~ ') as dq_verdict') }}
    {% endif %}
    {{ return(head ~ 'case when ' ~ quality.dq_tolerated(rule) ~ ' then ' ~ quality.dq_text_literal('passed') ~ ' else ' ~ quality.dq_text_literal('failed')
        ~ ' end as dq_status, dq_bad as dq_failed_count, dq_judged as dq_total_count, cast(null as ' ~ quality.dq_text_type() ~ ') as dq_actual from (' ~ quality.dq_counts(model, rule, columns) ~ ') as dq_counted') }}
{% endmacro %}

{% macro dq_text_type() %}
    {{ return('text' if target.type in ['postgres', 'redshift'] else 'string' if target.type in ['bigquery', 'databricks'] else 'varchar') }}
{% endmacro %}

{% macro dq_counts(model, rule, columns) %}
    {{ return('select count(case when not dq_good then 1 end) as dq_bad, count(dq_good) as dq_judged from (' ~ quality.dq_judged(model, rule, columns) ~ ') as dq_with_verdict') }}
{% endmacro %}

{# Whether so many bad rows are within `mostly`: whole numbers and a decimal, no float. #}
{% macro dq_tolerated(rule) %}
    {% if 'mostly' not in rule %}{{ return('dq_bad = 0') }}{% endif %}
    {{ return('(dq_judged - dq_bad) >= ' ~ quality.dq_number(rule.mostly, rule) ~ ' * dq_judged') }}
{% endmacro %}

{# The verdict of a rule about the table as a whole, in one row: dq_ok, what was found, and dq_judged: 1, or 0 where there
   was nothing to judge. #}
{% macro dq_table_verdict(model, rule, columns) %}
    {% set kind = rule.type %}
    {% set as_text = quality.dq_text_type() %}
    {% if kind == 'column_exists' %}
        {% set there = rule.column in columns or (target.type == 'snowflake' and rule.column | upper in columns) %}
        {{ return('select ' ~ ('1 = 1' if there else '1 = 0') ~ ' as dq_ok, 1 as dq_judged, cast(null as ' ~ as_text ~ ') as dq_actual') }}
    {% elif kind == 'dtype' %}
        {% set column = quality.dq_column(rule, columns, rule.column) %}
        {{ return('select ' ~ ('1 = 1' if quality.dq_has_dtype(rule, column.type) else '1 = 0') ~ ' as dq_ok, 1 as dq_judged, ' ~ quality.dq_text_literal(column.type) ~ ' as dq_actual') }}
    {% endif %}
    {% set where = ' where ' ~ quality.dq_condition(rule, columns, rule.where) if 'where' in rule else '' %}
    {% set source_rows = ' from ' ~ ('(select * from ' ~ model ~ where ~ ') as dq_rows' if where else quality.dq_aliased(model)) %}
    {% if kind == 'row_count' %}
        {% set low = rule.get('exact', rule.get('min', 0)) %}
        {% set high = rule.get('exact', rule.get('max')) %}
        {{ return('select count(*) >= ' ~ low ~ (' and count(*) <= ' ~ high if high is not none else '') ~ ' as dq_ok, 1 as dq_judged, cast(count(*) as ' ~ as_text ~ ') as dq_actual' ~ source_rows) }}
    {% endif %}
    {% set column = quality.dq_column(rule, columns, rule.column) %}
    {% set quoted = quality.dq_quote(column.name) %}
    {% if kind == 'recency' %}
        {% do quality.dq_require(rule, column, ['date', 'timestamp', 'timestamptz']) %}
        {{ return('select count(case when ' ~ quality.dq_recent(rule, column) ~ ' then 1 end) > 0 as dq_ok, 1 as dq_judged, cast(max(' ~ quoted ~ ') as ' ~ as_text ~ ') as dq_actual' ~ source_rows) }}
    {% endif %}
    {% do quality.dq_require(rule, column, ['integer', 'float', 'decimal']) %}
    {{ return(quality.dq_aggregate(rule, column, quoted, source_rows, as_text)) }}
{% endmacro %}

{# mean_between and sum_between. The mean is never divided out: sum >= min * count is exact for integers and decimals. #}
{% macro dq_aggregate(rule, column, quoted, source_rows, as_text) %}
    {% set is_float = column.kind == 'float' %}
    {% set value = quality.dq_double(quoted) if is_float else quoted %}
    {% set total = quality.dq_sum(value, column.kind) %}
    {% set parts = ['not ' ~ quality.dq_is_nan(total, column.kind)] %}
    {% for bound, operator in [(rule.get('min'), ' >= '), (rule.get('max'), ' <= ')] if bound is not none %}
        {% set number = quality.dq_number(bound, rule) %}
        {% if is_float %}
            {% set literal = quality.dq_double("'" ~ number ~ "'") %}
            {% do parts.append((total ~ ' / count(' ~ value ~ ')' if rule.type == 'mean_between' else total) ~ operator ~ literal) %}
        {% else %}
            {% do parts.append(total ~ operator ~ (quality.dq_exact_literal(number) if target.type == 'trino' else number) ~ (' * count(' ~ value ~ ')' if rule.type == 'mean_between' else '')) %}
        {% endif %}
    {% endfor %}
    {{ return('select case when count(' ~ value ~ ') = 0 then 1 = 1 else ' ~ parts | join(' and ') ~ ' end as dq_ok, case when count(' ~ value ~ ') = 0 then 0 else 1 end as dq_judged, cast('
        ~ ('avg(' ~ value ~ ')' if rule.type == 'mean_between' else total) ~ ' as ' ~ as_text ~ ') as dq_actual' ~ source_rows) }}
{% endmacro %}

{# Between now minus the age and now; a date is the whole of its day. #}
{% macro dq_recent(rule, column) %}
    {% set quoted = quality.dq_quote(column.name) %}
    {% set now = quality.dq_clock() %}
    {% set oldest = now - modules.datetime.timedelta(seconds=rule.max_age_hours * 3600) %}
    {% set zone = modules.pytz.timezone(rule.get('timezone', 'UTC')) %}
    {% if column.kind == 'date' %}
        {# The day has begun by now, and it had not ended before the oldest moment that counts. #}
        {{ return("(" ~ quoted ~ " <= date '" ~ now.astimezone(zone).strftime('%Y-%m-%d') ~ "' and " ~ quoted ~ " >= date '" ~ oldest.astimezone(zone).strftime('%Y-%m-%d') ~ "')") }}
    {% endif %}
    {% set bounds = [] %}
    {% for moment in [oldest, now] %}
        {% set text = moment.astimezone(modules.pytz.utc if column.kind == 'timestamptz' else zone).strftime('%Y-%m-%d %H:%M:%S.%f') %}
        {% do bounds.append(quality.dq_instant(text ~ '+00:00') if column.kind == 'timestamptz' else "timestamp '" ~ text ~ "'") %}
    {% endfor %}
    {{ return('(' ~ quoted ~ ' >= ' ~ bounds[0] ~ ' and ' ~ quoted ~ ' <= ' ~ bounds[1] ~ ')') }}
{% endmacro %}

{# What a test of one rule returns: the bad rows, or one line where the table as a whole is judged. #}
{% macro dq_failures(model, raw) %}
    {% set rule = quality.dq_rule(raw) %}
    {% if not execute %}
        {% if rule.type == 'foreign_key' %}{% do quality.dq_other_table(rule) %}{% endif %}
        {{ return('select 1 as dq_not_executed') }}
    {% endif %}
    {% set columns = quality.dq_columns(model) %}
    {% if rule.type in quality.dq_table_rules() %}
        {{ return('select * from (' ~ quality.dq_line(model, rule, columns, 1) ~ ") as dq_result where dq_status = 'failed'") }}
    {% endif %}
    {% set rows = quality.dq_judged(model, rule, columns) %}
    {% if 'mostly' not in rule %}
        {{ return('select * from (' ~ rows ~ ') as dq_with_verdict where not dq_good') }}
    {% endif %}
    {{ return('select * from (' ~ rows ~ ') as dq_with_verdict where not dq_good and not (select ' ~ quality.dq_tolerated(rule) ~ ' from (' ~ quality.dq_counts(model, rule, columns) ~ ') as dq_counted)') }}
{% endmacro %}

{# One line per rule, those that passed included. #}
{% macro dq_verdicts(model, rules) %}
    {% if rules is string or rules is mapping or not rules %}
        {{ exceptions.raise_compiler_error('data quality: `rules` is a list of mappings, such as [{column: id, type: not_null}]') }}
    {% endif %}
    {% set checked = [] %}
    {% for raw in rules %}
        {% do checked.append(quality.dq_rule(raw)) %}
    {% endfor %}
    {% if not execute %}
        {% for rule in checked if rule.type == 'foreign_key' %}{% do quality.dq_other_table(rule) %}{% endfor %}
        {{ return('select 1 as dq_not_executed') }}
    {% endif %}
    {% set columns = quality.dq_columns(model) %}
    {% set lines = [] %}
    {% for rule in checked %}
        {% do lines.append(quality.dq_line(model, rule, columns, loop.index)) %}
    {% endfor %}
    {{ return(lines | join('\nunion all\n')) }}
{% endmacro %}
