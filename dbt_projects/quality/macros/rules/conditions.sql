{# A row rule as SQL: TRUE for a good row, FALSE for a bad one, NULL for a row that is not judged. #}

{% macro dq_good(rule, columns) %}
    {% set kind = rule.type %}
    {% set needed = [] %}
    {% for name in rule.columns %}
        {% do needed.append(quality.dq_column(rule, columns, name)) %}
    {% endfor %}
    {% set column = needed[0] if needed else none %}
    {% set quoted = quality.dq_quote(column.name) if column else none %}
    {% if kind == 'not_null' %}
        {% set parts = [] %}
        {% for each in needed %}{% do parts.append(quality.dq_quote(each.name) ~ ' is not null') %}{% endfor %}
        {{ return('(' ~ parts | join(' and ') ~ ')') }}
    {% elif kind == 'unique' %}
        {{ return(quality.dq_good_unique(rule, needed)) }}
    {% elif kind == 'foreign_key' %}
        {{ return(quality.dq_good_foreign_key(rule, needed)) }}
    {% elif kind == 'compare_columns' %}
        {{ return(quality.dq_good_compare(rule, needed[0], needed[1])) }}
    {% elif kind == 'expression' %}
        {{ return(quality.dq_condition(rule, columns, rule.expression)) }}
    {% elif kind in ['regex', 'email', 'url', 'uuid', 'ip_address'] %}
        {% do quality.dq_require(rule, column, ['text']) %}
        {{ return(quality.dq_matches(rule, quoted, rule.pattern if kind == 'regex' else quality.dq_pattern(rule))) }}
    {% elif kind == 'length' %}
        {% do quality.dq_require(rule, column, ['text']) %}
        {% set counted = 'length(' ~ quality.dq_as_text(quoted) ~ ')' %}
        {% if 'exact' in rule %}{{ return('(' ~ counted ~ ' = ' ~ rule.exact ~ ')') }}{% endif %}
        {% set low = counted ~ ' >= ' ~ rule.min if 'min' in rule else 'true' %}
        {% set high = counted ~ ' <= ' ~ rule.max if 'max' in rule else 'true' %}
        {{ return('(case when ' ~ quoted ~ ' is not null then ' ~ low ~ ' and ' ~ high ~ ' end)') }}
    {% elif kind == 'in_range' %}
        {% do quality.dq_require(rule, column, ['integer', 'float', 'decimal', 'date', 'timestamp', 'timestamptz', 'time', 'interval']) %}
        {% set parts = [] %}
        {% if 'min' in rule %}{% do parts.append(quality.dq_compare(rule, column, '>=' if rule.get('min_inclusive', true) else '>', rule.min)) %}{% endif %}
        {% if 'max' in rule %}{% do parts.append(quality.dq_compare(rule, column, '<=' if rule.get('max_inclusive', true) else '<', rule.max)) %}{% endif %}
        {{ return('(' ~ parts | join(' and ') ~ ')') }}
    {% elif kind in ['positive', 'non_negative'] %}
        {% do quality.dq_require(rule, column, ['integer', 'float', 'decimal', 'interval']) %}
        {{ return(quality.dq_compare(rule, column, '>' if kind == 'positive' else '>=', 0)) }}
    {% elif kind in ['in_set', 'not_in_set'] %}
        {% do quality.dq_require(rule, column, ['integer', 'float', 'decimal', 'text', 'boolean', 'date', 'timestamp', 'timestamptz', 'time']) %}
        {% set parts = [] %}
        {% for value in rule['values'] %}{% do parts.append(quality.dq_compare(rule, column, '=', value)) %}{% endfor %}
        {{ return('(' ~ ('not ' if kind == 'not_in_set' else '') ~ '(' ~ parts | join(' or ') ~ '))') }}
    {% elif kind in ['not_future', 'not_past'] %}
        {% do quality.dq_require(rule, column, ['date', 'timestamp', 'timestamptz']) %}
        {{ return('(' ~ quoted ~ (' <= ' if kind == 'not_future' else ' >= ') ~ quality.dq_now(rule, column, kind == 'not_past') ~ ')') }}
    {% elif kind == 'monotonic' %}
        {{ return('dq_in_order') }}
    {% endif %}
    {{ quality.dq_refuse(rule, 'SQL gives no verdict about single rows') }}
{% endmacro %}

{# The column of that name, or an error: a column that is not there is neither good nor bad. #}
{% macro dq_column(rule, columns, name) %}
    {% if name in columns %}
        {{ return({'name': name, 'kind': columns[name].kind, 'type': columns[name].type}) }}
    {% endif %}
    {% if target.type == 'snowflake' and name | upper in columns %}
        {{ return({'name': name | upper, 'kind': columns[name | upper].kind, 'type': columns[name | upper].type}) }}
    {% endif %}
    {{ quality.dq_refuse(rule, 'there is no column `' ~ name ~ '`; there are ' ~ columns.keys() | join(', ')) }}
{% endmacro %}

{% macro dq_require(rule, column, kinds) %}
    {% if column.kind not in kinds %}
        {{ quality.dq_refuse(rule, 'it cannot judge the column `' ~ column.name ~ '`, which is ' ~ column.type) }}
    {% endif %}
{% endmacro %}

{# Every row of a key that occurs more than once is bad; a key with a null in it is not judged. #}
{% macro dq_good_unique(rule, needed) %}
    {% set keys, present = [], [] %}
    {% for each in needed %}
        {% if each.kind in ['nested', 'other'] and each.type | upper != 'UUID' %}
            {{ quality.dq_refuse(rule, 'the column `' ~ each.name ~ '` is ' ~ each.type ~ ', which cannot be part of a key') }}
        {% endif %}
        {% set quoted = quality.dq_quote(each.name) %}
        {% do keys.append(quality.dq_as_text(quoted) if each.kind == 'text' else quoted ~ ' + 0' if each.kind == 'float' else quoted) %}
        {% do present.append(quoted ~ ' is not null') %}
    {% endfor %}
    {{ return('(case when ' ~ present | join(' and ') ~ ' then count(*) over (partition by ' ~ keys | join(', ') ~ ') = 1 end)') }}
{% endmacro %}

{% macro dq_good_foreign_key(rule, needed) %}
    {% set there = quality.dq_other_table(rule) %}
    {% set names = [rule.to_column] if 'to_column' in rule else rule.get('to_columns', rule.columns) %}
    {% if 'to_column' in rule and 'to_columns' in rule %}{{ quality.dq_refuse(rule, 'name either `to_column` or `to_columns`') }}{% endif %}
    {% if names | length != needed | length %}{{ quality.dq_refuse(rule, 'the other table\'s key has another number of columns') }}{% endif %}
    {% set foreign = quality.dq_columns(there) %}
    {% set present, equal = [], [] %}
    {% for each in needed %}
        {% set other = quality.dq_column(rule, foreign, names[loop.index0]) %}
        {% set mine, theirs = 'dq_rows.' ~ quality.dq_quote(each.name), 'dq_there.' ~ quality.dq_quote(other.name) %}
        {% if each.kind == 'text' and other.kind == 'text' %}
            {% set mine, theirs = quality.dq_as_text(mine), quality.dq_as_text(theirs) %}
        {% elif not (each.kind == 'integer' and other.kind == 'integer') and (each.type != other.type or each.kind in ['nested', 'other']) %}
            {{ quality.dq_refuse(rule, '`' ~ each.name ~ '` is ' ~ each.type ~ ' and `' ~ other.name ~ '` is ' ~ other.type ~ ': they cannot be compared as keys') }}
        {% endif %}
        {% do present.append(mine ~ ' is not null') %}
        {% do equal.append(theirs ~ ' = ' ~ mine) %}
    {% endfor %}
    {{ return('(case when ' ~ present | join(' and ') ~ ' then exists (select 1 from ' ~ there ~ ' as dq_there where ' ~ equal | join(' and ') ~ ') end)') }}
{% endmacro %}

{# The other table: a relation, or its name as ref('x'), source('x', 'y'), x or x.y. #}
{% macro dq_other_table(rule) %}
    {% set to = rule.to %}
    {% if to is not string %}{{ return(to) }}{% endif %}
    {% if to | trim | truncate(1, true, '', 0) == '"' or to.startswith('`') or to.startswith('(') %}{{ return(to) }}{% endif %}
    {% set names = modules.re.findall('[A-Za-z_]\\w*', modules.re.sub('^\\s*(ref|source)\\s*\\(', '', to)) %}
    {% if names | length == 2 %}{{ return(source(names[0], names[1])) }}{% endif %}
    {% if names | length == 1 %}{{ return(ref(names[0])) }}{% endif %}
    {{ quality.dq_refuse(rule, '`' ~ to ~ '` names no model and no source') }}
{% endmacro %}

{# Two columns, exactly: text by code point, an integer with a float without rounding the integer. #}
{% macro dq_good_compare(rule, left, right) %}
    {% set a, b = quality.dq_quote(left.name), quality.dq_quote(right.name) %}
    {% set kinds = [left.kind, right.kind] %}
    {% set operator = rule.operator %}
    {% set real = 'not ' ~ quality.dq_is_nan(a, left.kind) ~ ' and not ' ~ quality.dq_is_nan(b, right.kind) %}
    {% if kinds == ['text', 'text'] %}
        {% set compared = quality.dq_as_text(a) ~ ' ' ~ operator ~ ' ' ~ quality.dq_as_text(b) %}
    {% elif kinds == ['boolean', 'boolean'] %}
        {% if operator not in ['=', '<>'] %}{{ quality.dq_refuse(rule, 'true and false have no order; compare them with == or !=') }}{% endif %}
        {% set compared = a ~ ' ' ~ operator ~ ' ' ~ b %}
    {% elif kinds == ['float', 'float'] %}
        {% set compared = quality.dq_double(a) ~ ' ' ~ operator ~ ' ' ~ quality.dq_double(b) %}
    {% elif kinds == ['integer', 'float'] %}
        {% set compared = quality.dq_integer_float(a, operator, quality.dq_double(b)) %}
    {% elif kinds == ['float', 'integer'] %}
        {% set mirrored = {'=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<='}[operator] %}
        {% set compared = quality.dq_integer_float(b, mirrored, quality.dq_double(a)) %}
    {% elif left.kind in ['integer', 'decimal'] and right.kind in ['integer', 'decimal'] %}
        {% set compared = a ~ ' ' ~ operator ~ ' ' ~ b %}
    {% elif (left.kind == right.kind and left.kind in ['date', 'timestamp', 'timestamptz', 'time', 'interval']) or kinds | sort == ['date', 'timestamp'] %}
        {% set compared = a ~ ' ' ~ operator ~ ' ' ~ b %}
    {% else %}
        {{ quality.dq_refuse(rule, 'columns of type ' ~ left.type ~ ' and ' ~ right.type ~ ' cannot be compared exactly; cast one of them in the model') }}
    {% endif %}
    {{ return('(case when ' ~ a ~ ' is not null and ' ~ b ~ ' is not null then ' ~ real ~ ' and (' ~ compared ~ ') end)') }}
{% endmacro %}

{# An integer compares with x as it does with the integer next to x on the deciding side. #}
{% macro dq_integer_float(integer, operator, wide) %}
    {% set rounded = ('ceil(' if operator in ['<', '>='] else 'floor(') ~ wide ~ ')' %}
    {% set above, below = quality.dq_exact_literal('9223372036854775808'), quality.dq_exact_literal('-9223372036854775809') %}
    {% set exact = '(case when ' ~ quality.dq_is_nan(wide, 'float') ~ ' then 0 when ' ~ rounded ~ ' >= ' ~ quality.dq_double("'9223372036854775808'") ~ ' then ' ~ above
        ~ ' when ' ~ rounded ~ ' < ' ~ quality.dq_double("'-9223372036854775808'") ~ ' then ' ~ below ~ ' else cast(cast(' ~ rounded ~ ' as bigint) as decimal(38, 0)) end)' %}
    {% set compared = 'cast(' ~ integer ~ ' as decimal(38, 0)) ' ~ operator ~ ' ' ~ exact %}
    {% set whole = wide ~ ' = floor(' ~ wide ~ ')' %}
    {{ return(compared ~ ' and ' ~ whole if operator == '=' else compared ~ ' or not (' ~ whole ~ ')' if operator == '<>' else compared) }}
{% endmacro %}

{# A condition of the author's own SQL. Where a float column that it names holds a NaN, it is not evaluated: databases
   call NaN equal to itself and greater than every number, and the rules call every comparison with it false. #}
{% macro dq_condition(rule, columns, text) %}
    {% set nans = [] %}
    {% for name, column in columns.items() %}
        {% if column.kind == 'float' and modules.re.search('\\b' ~ modules.re.escape(name) ~ '\\b', text, modules.re.IGNORECASE) %}
            {% do nans.append('coalesce(' ~ quality.dq_is_nan(quality.dq_double(quality.dq_quote(name)), 'float') ~ ', false)') %}
        {% endif %}
    {% endfor %}
    {% if nans %}
        {{ return('(case when ' ~ nans | join(' or ') ~ ' then ' ~ quality.dq_stop('NaN in a column of the condition ' ~ text) ~ ' else (' ~ text ~ ') end)') }}
    {% endif %}
    {{ return('(' ~ text ~ ')') }}
{% endmacro %}

{# The moment that counts as now, as a literal of the column's kind and precision. #}
{% macro dq_now(rule, column, whole_step) %}
    {% set moment = quality.dq_clock() %}
    {% set local = moment.astimezone(modules.pytz.timezone(rule.get('timezone', 'UTC'))) %}
    {% if column.kind == 'date' %}{{ return("date '" ~ local.strftime('%Y-%m-%d') ~ "'") }}{% endif %}
    {% set text = (moment if column.kind == 'timestamptz' else local).strftime('%Y-%m-%d %H:%M:%S.%f') %}
    {% set digits = {'TIMESTAMP_S': 0, 'TIMESTAMP_MS': 3}.get(column.type | upper, 6) %}
    {% set given = modules.re.search('\\((\\d)\\)', column.type) %}
    {% set digits = given.group(1) | int if given else digits %}
    {% set cut = text[:20 + digits] if whole_step and digits else text[:19] if whole_step else text %}
    {{ return(quality.dq_instant(cut ~ '+00:00') if column.kind == 'timestamptz' else "timestamp '" ~ cut ~ "'") }}
{% endmacro %}

{# When the run began; `--vars '{dq_now: ...}'` judges as of another moment (UTC). #}
{% macro dq_clock() %}
    {% set given = var('dq_now', none) %}
    {% if given is none %}{{ return(run_started_at.astimezone(modules.pytz.utc)) }}{% endif %}
    {% set read = modules.re.match('^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2})([.][0-9]{1,6})?(Z|[+]00:00)?$', given | string | trim) %}
    {% if not read %}
        {{ exceptions.raise_compiler_error('data quality: the variable dq_now is a moment in UTC such as 2026-01-10T12:00:00, not `' ~ given ~ '`') }}
    {% endif %}
    {% set text = read.group(1) ~ 'T' ~ read.group(2) ~ (read.group(3) or '.0') %}
    {{ return(modules.pytz.utc.localize(modules.datetime.datetime.strptime(text, '%Y-%m-%dT%H:%M:%S.%f'))) }}
{% endmacro %}
