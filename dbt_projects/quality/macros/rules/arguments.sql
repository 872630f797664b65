{# Which rules there are and what they take. Refusing the rest is what keeps a typing error from being a passing test. #}

{% macro dq_arguments() %}
    {{ return({
        'not_null': ['column', 'columns'],
        'unique': ['column', 'columns'],
        'regex': ['column', 'pattern'],
        'in_range': ['column', 'min', 'max', 'min_inclusive', 'max_inclusive'],
        'in_set': ['column', 'values'],
        'not_in_set': ['column', 'values'],
        'not_future': ['column', 'timezone'],
        'not_past': ['column', 'timezone'],
        'length': ['column', 'min', 'max', 'exact'],
        'positive': ['column'],
        'non_negative': ['column'],
        'foreign_key': ['column', 'columns', 'to', 'to_column', 'to_columns'],
        'expression': ['expression'],
        'email': ['column'],
        'url': ['column'],
        'uuid': ['column'],
        'ip_address': ['column', 'version'],
        'compare_columns': ['left', 'operator', 'right'],
        'dtype': ['column', 'dtype'],
        'column_exists': ['column'],
        'row_count': ['min', 'max', 'exact'],
        'recency': ['column', 'max_age_hours', 'timezone'],
        'monotonic': ['column', 'direction', 'strict', 'order_by'],
        'mean_between': ['column', 'min', 'max'],
        'sum_between': ['column', 'min', 'max'],
    }) }}
{% endmacro %}

{% macro dq_needed_arguments() %}
    {{ return({
        'regex': ['column', 'pattern'],
        'in_range': ['column'],
        'in_set': ['column', 'values'],
        'not_in_set': ['column', 'values'],
        'not_future': ['column'],
        'not_past': ['column'],
        'length': ['column'],
        'positive': ['column'],
        'non_negative': ['column'],
        'foreign_key': ['to'],
        'expression': ['expression'],
        'email': ['column'],
        'url': ['column'],
        'uuid': ['column'],
        'ip_address': ['column'],
        'compare_columns': ['left', 'operator', 'right'],
        'dtype': ['column', 'dtype'],
        'column_exists': ['column'],
        'recency': ['column', 'max_age_hours'],
        'monotonic': ['column'],
        'mean_between': ['column'],
        'sum_between': ['column'],
    }) }}
{% endmacro %}

{# The rule types that judge the table as a whole: no row is bad by itself. #}
{% macro dq_table_rules() %}
    {{ return(['dtype', 'column_exists', 'row_count', 'recency', 'mean_between', 'sum_between']) }}
{% endmacro %}

{% macro dq_refuse(rule, problem) %}
    {{ exceptions.raise_compiler_error('data quality rule ' ~ (rule.get('name') or rule.get('type')) ~ ': ' ~ problem) }}
{% endmacro %}

{# One rule, checked: every argument known, all that are needed there, `columns` filled in. #}
{% macro dq_rule(raw) %}
    {% if raw is not mapping %}
        {{ exceptions.raise_compiler_error('a data quality rule is a mapping such as {column: id, type: not_null}, not ' ~ raw) }}
    {% endif %}
    {% set known = quality.dq_arguments() %}
    {% set kind = raw.get('type') %}
    {% if 'truthound' in raw or kind == 'truthound' %}
        {{ exceptions.raise_compiler_error('data quality rule truthound: SQL cannot judge it; keep it in the tenant\'s YAML') }}
    {% endif %}
    {% if kind not in known %}
        {{ exceptions.raise_compiler_error('there is no data quality rule type `' ~ kind ~ '`; known: ' ~ known.keys() | sort | join(', ')) }}
    {% endif %}
    {% set general = ['type', 'severity', 'mostly', 'where', 'name', 'description'] %}
    {% for argument in raw %}
        {% if argument not in known[kind] and argument not in general %}
            {{ quality.dq_refuse(raw, 'it has no argument `' ~ argument ~ '`; known: ' ~ (known[kind] + general) | join(', ')) }}
        {% endif %}
    {% endfor %}
    {% for argument in quality.dq_needed_arguments().get(kind, []) %}
        {% if raw.get(argument) is none %}
            {{ quality.dq_refuse(raw, 'it needs the argument `' ~ argument ~ '`') }}
        {% endif %}
    {% endfor %}
    {% set rule = {} %}
    {% for argument, value in raw.items() if value is not none %}
        {% do rule.update({argument: value}) %}
    {% endfor %}
    {% do quality.dq_check_general(rule) %}
    {% do quality.dq_check_values(rule) %}
    {% if 'columns' in known[kind] %}
        {% if ('column' in rule) == ('columns' in rule) %}
            {{ quality.dq_refuse(rule, 'name either `column` or `columns`') }}
        {% endif %}
        {% do rule.update({'columns': rule.get('columns') or [rule.get('column')]}) %}
        {% if rule.columns is string or rule.columns | unique(case_sensitive=true) | list | length != rule.columns | length %}
            {{ quality.dq_refuse(rule, '`columns` is a list of different names') }}
        {% endif %}
    {% elif kind == 'compare_columns' %}
        {% do rule.update({'columns': [rule.left, rule.right]}) %}
    {% elif 'column' in rule %}
        {% do rule.update({'columns': [rule.column]}) %}
    {% else %}
        {% do rule.update({'columns': []}) %}
    {% endif %}
    {{ return(rule) }}
{% endmacro %}

{% macro dq_check_general(rule) %}
    {% if rule.get('severity', 'error') not in ['error', 'warning', 'info'] %}
        {{ quality.dq_refuse(rule, 'severity is error, warning or info, not `' ~ rule.severity ~ '`') }}
    {% endif %}
    {% if 'mostly' in rule %}
        {% if rule.type in quality.dq_table_rules() %}
            {{ quality.dq_refuse(rule, '`mostly` means nothing here: the rule judges the table as a whole') }}
        {% endif %}
        {% if rule.mostly is not number or rule.mostly is boolean or rule.mostly <= 0 or rule.mostly > 1 %}
            {{ quality.dq_refuse(rule, '`mostly` is a share above 0 and up to 1, not `' ~ rule.mostly ~ '`') }}
        {% endif %}
    {% endif %}
    {% if 'where' in rule and rule.type in ['dtype', 'column_exists'] %}
        {{ quality.dq_refuse(rule, '`where` means nothing here') }}
    {% endif %}
{% endmacro %}

{% macro dq_check_values(rule) %}
    {% set kind = rule.type %}
    {% set limits = [rule.get('min'), rule.get('max'), rule.get('exact')] | reject('none') | list %}
    {% if kind in ['in_range', 'length', 'row_count', 'mean_between', 'sum_between'] %}
        {% if not limits %}
            {{ quality.dq_refuse(rule, 'it needs `min`, `max` or both') }}
        {% endif %}
        {% if 'exact' in rule and limits | length > 1 %}
            {{ quality.dq_refuse(rule, 'it takes `exact` or `min` and `max`, not both') }}
        {% endif %}
        {% if limits | select('boolean') | list %}
            {{ quality.dq_refuse(rule, 'a truth value is not a bound') }}
        {% endif %}
        {% if rule.get('min') is number and rule.get('max') is number and rule.min > rule.max %}
            {{ quality.dq_refuse(rule, 'min ' ~ rule.min ~ ' is greater than max ' ~ rule.max ~ ': nothing can pass') }}
        {% endif %}
    {% endif %}
    {% if kind in ['length', 'row_count'] %}
        {% for limit in limits %}
            {% if limit is not integer or limit < 0 %}
                {{ quality.dq_refuse(rule, '`' ~ limit ~ '` is not a count') }}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% if kind in ['in_set', 'not_in_set'] %}
        {% if rule['values'] is string or rule['values'] is mapping or not rule['values'] %}
            {{ quality.dq_refuse(rule, '`values` is a list with at least one value') }}
        {% endif %}
        {% if rule['values'] | select('none') | list %}
            {{ quality.dq_refuse(rule, 'null is not a value of a set: nulls are judged by not_null only') }}
        {% endif %}
    {% endif %}
    {% if kind == 'ip_address' and rule.get('version', 4) not in [4, 6] %}
        {{ quality.dq_refuse(rule, '`version` is 4 or 6') }}
    {% endif %}
    {% if kind == 'compare_columns' %}
        {% set operators = {'==': '=', '=': '=', 'eq': '=', '!=': '<>', '<>': '<>', 'ne': '<>', '<': '<', 'lt': '<', '<=': '<=', 'le': '<=', '>': '>', 'gt': '>', '>=': '>=', 'ge': '>='} %}
        {% if rule.operator not in operators %}
            {{ quality.dq_refuse(rule, 'the operator is one of ==, !=, <, <=, >, >=, not `' ~ rule.operator ~ '`') }}
        {% endif %}
        {% do rule.update({'operator': operators[rule.operator]}) %}
    {% endif %}
    {% if kind == 'monotonic' %}
        {% if rule.get('direction', 'increasing') not in ['increasing', 'decreasing'] %}
            {{ quality.dq_refuse(rule, '`direction` is increasing or decreasing') }}
        {% endif %}
        {% if 'order_by' not in rule %}
            {{ quality.dq_refuse(rule, 'rows of a table have no order in SQL: name the column that gives them one in `order_by`') }}
        {% endif %}
    {% endif %}
    {% if kind == 'recency' and (rule.max_age_hours is not number or rule.max_age_hours is boolean or rule.max_age_hours <= 0) %}
        {{ quality.dq_refuse(rule, '`max_age_hours` is a number above 0') }}
    {% endif %}
    {% if 'timezone' in rule and rule.timezone not in modules.pytz.all_timezones_set %}
        {{ quality.dq_refuse(rule, '`' ~ rule.timezone ~ '` is not a time zone; write it like Asia/Seoul or UTC') }}
    {% endif %}
{% endmacro %}
