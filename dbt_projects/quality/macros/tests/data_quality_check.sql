{# Many rules in one test, each a mapping as in a tenant's YAML. One line per rule that failed comes back; a rule of
   severity error fails the test, one of severity warning warns, one of severity info only shows in the stored failures. #}
{% test data_quality_check(model, rules, column_name=none) %}
    {{ config(
        warn_if="> 0 and sum(case when dq_severity <> 'info' then 1 else 0 end) > 0",
        error_if="> 0 and sum(case when dq_severity = 'error' then 1 else 0 end) > 0",
    ) }}
    {% set named = [] %}
    {% for rule in rules %}
        {% set needs_column = column_name and rule is mapping and 'column' in quality.dq_arguments().get(rule.get('type'), []) and 'columns' not in rule %}
        {% do named.append(dict({'column': column_name}, **rule) if needs_column else rule) %}
    {% endfor %}
    {% set verdicts = quality.dq_verdicts(model, named) %}
    {{ 'select * from (' ~ verdicts ~ ") as dq_lines where dq_status = 'failed'" if execute else verdicts }}
{% endtest %}
