{# One test per rule. The failing rows come back, so `store_failures` keeps them and `warn_if` counts them; a rule about the
   table as a whole gives one line. `severity`, `warn_if`, `error_if`, `where` under `config` are dbt's own. #}

{% test dq_not_null(model, column_name=none, column=none, columns=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'not_null', 'column': none if columns else column or column_name, 'columns': columns, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_unique(model, column_name=none, column=none, columns=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'unique', 'column': none if columns else column or column_name, 'columns': columns, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_regex(model, pattern, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'regex', 'column': column or column_name, 'pattern': pattern, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_in_range(model, column_name=none, column=none, min=none, max=none, min_inclusive=none, max_inclusive=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'in_range', 'column': column or column_name, 'min': min, 'max': max, 'min_inclusive': min_inclusive, 'max_inclusive': max_inclusive, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_in_set(model, values, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'in_set', 'column': column or column_name, 'values': values, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_not_in_set(model, values, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'not_in_set', 'column': column or column_name, 'values': values, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_not_future(model, column_name=none, column=none, timezone=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'not_future', 'column': column or column_name, 'timezone': timezone, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_not_past(model, column_name=none, column=none, timezone=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'not_past', 'column': column or column_name, 'timezone': timezone, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_length(model, column_name=none, column=none, min=none, max=none, exact=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'length', 'column': column or column_name, 'min': min, 'max': max, 'exact': exact, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_positive(model, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'positive', 'column': column or column_name, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_non_negative(model, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'non_negative', 'column': column or column_name, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_foreign_key(model, to, column_name=none, column=none, columns=none, to_column=none, to_columns=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'foreign_key', 'column': none if columns else column or column_name, 'to': to, 'columns': columns, 'to_column': to_column, 'to_columns': to_columns, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_expression(model, expression, column_name=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'expression', 'expression': expression, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_email(model, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'email', 'column': column or column_name, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_url(model, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'url', 'column': column or column_name, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_uuid(model, column_name=none, column=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'uuid', 'column': column or column_name, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_ip_address(model, column_name=none, column=none, version=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'ip_address', 'column': column or column_name, 'version': version, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_compare_columns(model, left, operator, right, column_name=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'compare_columns', 'left': left, 'operator': operator, 'right': right, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_dtype(model, dtype, column_name=none, column=none) %}
    {{ quality.dq_failures(model, {'type': 'dtype', 'column': column or column_name, 'dtype': dtype}) }}
{% endtest %}

{% test dq_column_exists(model, column_name=none, column=none) %}
    {{ quality.dq_failures(model, {'type': 'column_exists', 'column': column or column_name}) }}
{% endtest %}

{% test dq_row_count(model, column_name=none, min=none, max=none, exact=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'row_count', 'min': min, 'max': max, 'exact': exact, 'where': where}) }}
{% endtest %}

{% test dq_recency(model, max_age_hours, column_name=none, column=none, timezone=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'recency', 'column': column or column_name, 'max_age_hours': max_age_hours, 'timezone': timezone, 'where': where}) }}
{% endtest %}

{% test dq_monotonic(model, order_by, column_name=none, column=none, direction=none, strict=none, mostly=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'monotonic', 'column': column or column_name, 'order_by': order_by, 'direction': direction, 'strict': strict, 'mostly': mostly, 'where': where}) }}
{% endtest %}

{% test dq_mean_between(model, column_name=none, column=none, min=none, max=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'mean_between', 'column': column or column_name, 'min': min, 'max': max, 'where': where}) }}
{% endtest %}

{% test dq_sum_between(model, column_name=none, column=none, min=none, max=none, where=none) %}
    {{ quality.dq_failures(model, {'type': 'sum_between', 'column': column or column_name, 'min': min, 'max': max, 'where': where}) }}
{% endtest %}
