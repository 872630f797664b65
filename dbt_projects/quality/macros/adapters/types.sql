{# What kind of values a column holds, from the name its database gives the type. #}

{% macro dq_kind(data_type) %}
    {% set name = data_type | upper | trim %}
    {% set plain = modules.re.sub('\\s*\\(.*?\\)', '', name) %}
    {{ return(adapter.dispatch('dq_kind', 'quality')(name, plain)) }}
{% endmacro %}

{% macro default__dq_kind(name, plain) %}
    {# The parts of a type stand in brackets or parentheses, and may have some of their own: the first word says enough. #}
    {% if name.endswith(']') or modules.re.split('\\W', name)[0] in ['STRUCT', 'MAP', 'UNION', 'ARRAY', 'ROW', 'LIST', 'RECORD', 'OBJECT', 'SUPER', 'VARIANT'] %}
        {{ return('nested') }}
    {% endif %}
    {% set kinds = {
        'integer': ['TINYINT', 'SMALLINT', 'INTEGER', 'INT', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'UHUGEINT',
                    'INT2', 'INT4', 'INT8', 'INT64', 'LONG', 'SHORT', 'BYTEINT', 'LONGINTEGER', 'SERIAL', 'BIGSERIAL'],
        'float': ['FLOAT', 'DOUBLE', 'REAL', 'DOUBLE PRECISION', 'FLOAT4', 'FLOAT8', 'FLOAT64'],
        'decimal': ['DECIMAL', 'NUMERIC', 'NUMBER', 'BIGNUMERIC', 'FIXED'],
        'text': ['VARCHAR', 'TEXT', 'CHARACTER VARYING', 'STRING', 'UNICODE', 'CHAR', 'CHARACTER', 'BPCHAR', 'ENUM', 'NAME'],
        'boolean': ['BOOLEAN', 'BOOL'],
        'date': ['DATE'],
        'timestamp': ['TIMESTAMP', 'TIMESTAMP WITHOUT TIME ZONE', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'TIMESTAMP_NTZ', 'DATETIME'],
        'timestamptz': ['TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ', 'TIMESTAMP_TZ', 'TIMESTAMP_LTZ', 'DATETIMETZ'],
        'time': ['TIME', 'TIME_NS', 'TIME WITHOUT TIME ZONE'],
        'interval': ['INTERVAL', 'INTERVAL DAY TO SECOND'],
        'binary': ['BLOB', 'BYTEA', 'VARBINARY', 'BINARY', 'BYTES'],
    } %}
    {% for kind, names in kinds.items() %}
        {% if plain in names %}
            {{ return(kind) }}
        {% endif %}
    {% endfor %}
    {{ return('other') }}
{% endmacro %}

{# BigQuery and Databricks call the moment with a zone TIMESTAMP. #}
{% macro bigquery__dq_kind(name, plain) %}
    {{ return('timestamptz' if plain == 'TIMESTAMP' else quality.default__dq_kind(name, plain)) }}
{% endmacro %}

{% macro databricks__dq_kind(name, plain) %}
    {{ return('timestamptz' if plain == 'TIMESTAMP' else quality.default__dq_kind(name, plain)) }}
{% endmacro %}

{# The type as the rule `dtype` names it: as in Polars. None where the database's type has no such name. #}
{% macro dq_exact_dtype(data_type) %}
    {% set name = data_type | upper | trim %}
    {% set plain = modules.re.sub('\\s*\\(.*?\\)', '', name) %}
    {% set names = {
        'TINYINT': 'Int8', 'SMALLINT': 'Int16', 'INTEGER': 'Int32', 'INT': 'Int32', 'BIGINT': 'Int64', 'HUGEINT': 'Int128',
        'UTINYINT': 'UInt8', 'USMALLINT': 'UInt16', 'UINTEGER': 'UInt32', 'UBIGINT': 'UInt64', 'UHUGEINT': 'UInt128',
        'INT2': 'Int16', 'INT4': 'Int32', 'INT8': 'Int64', 'INT64': 'Int64', 'LONGINTEGER': 'Int64',
        'REAL': 'Float32', 'FLOAT4': 'Float32', 'DOUBLE': 'Float64', 'DOUBLE PRECISION': 'Float64', 'FLOAT8': 'Float64', 'FLOAT64': 'Float64',
        'FLOAT': 'Float32' if target.type in ['duckdb', 'databricks'] else 'Float64',
        'VARCHAR': 'String', 'TEXT': 'String', 'CHARACTER VARYING': 'String', 'STRING': 'String', 'BOOLEAN': 'Boolean', 'BOOL': 'Boolean',
        'DATE': 'Date', 'TIME': 'Time', 'TIME WITHOUT TIME ZONE': 'Time', 'BLOB': 'Binary', 'BYTEA': 'Binary', 'VARBINARY': 'Binary',
        'TIMESTAMP': "Datetime('us')", 'TIMESTAMP WITHOUT TIME ZONE': "Datetime('us')", 'TIMESTAMP_MS': "Datetime('ms')", 'TIMESTAMP_NS': "Datetime('ns')",
        'TIMESTAMP WITH TIME ZONE': "Datetime('us','UTC')", 'TIMESTAMPTZ': "Datetime('us','UTC')",
    } %}
    {% if quality.dq_kind(data_type) == 'decimal' %}
        {{ return(modules.re.sub('^\\w+', 'Decimal', name).replace(' ', '')) }}
    {% endif %}
    {% set digits = modules.re.match('TIMESTAMP\\((\\d+)\\)', name) %}
    {% if target.type == 'trino' and digits %}
        {% set unit = {'3': 'ms', '6': 'us', '9': 'ns'}.get(digits.group(1)) %}
        {{ return(names[plain].replace('us', unit) if unit else none) }}
    {% endif %}
    {{ return(names.get(plain)) }}
{% endmacro %}

{# Whether a column has the type of that name: a family such as integer, or one exact type such as Int64. #}
{% macro dq_has_dtype(rule, data_type) %}
    {% set kind = quality.dq_kind(data_type) %}
    {% set wanted = rule.dtype | trim %}
    {% set aliases = {'int': 'integer', 'uint': 'unsigned', 'numeric': 'number', 'str': 'string', 'text': 'string', 'varchar': 'string',
        'bool': 'boolean', 'timestamp': 'datetime', 'array': 'list', 'bytes': 'binary', 'enum': 'categorical', 'category': 'categorical',
        'bigint': 'Int64', 'double': 'Float64', 'utf8': 'String'} %}
    {% set families = {'integer': ['integer'], 'float': ['float'], 'decimal': ['decimal'], 'number': ['integer', 'float', 'decimal'],
        'string': ['text'], 'boolean': ['boolean'], 'date': ['date'], 'datetime': ['timestamp', 'timestamptz'], 'time': ['time'],
        'duration': ['interval'], 'binary': ['binary']} %}
    {% set wanted = aliases.get(wanted | lower, wanted) %}
    {% if wanted | lower in families %}
        {% set is_enum = data_type | upper | trim | truncate(4, true, '', 0) == 'ENUM' %}
        {{ return(kind in families[wanted | lower] and not is_enum) }}
    {% endif %}
    {% if wanted | lower == 'unsigned' %}
        {{ return(kind == 'integer' and (data_type | upper).startswith('U')) }}
    {% elif wanted | lower == 'categorical' %}
        {{ return((data_type | upper).startswith('ENUM')) }}
    {% elif wanted | lower in ['list', 'struct', 'null'] %}
        {% if wanted | lower == 'list' %}{{ return(data_type.endswith(']') or (data_type | upper).startswith('ARRAY')) }}{% endif %}
        {% if wanted | lower == 'struct' %}{{ return(modules.re.match('(STRUCT|ROW)\\b', data_type | upper) is not none and not data_type.endswith(']')) }}{% endif %}
        {{ return(data_type | upper in ['NULL', '"NULL"']) }}
    {% endif %}
    {% set exact = wanted | lower | replace(' ', '') | replace('"', "'") | replace('time_zone=', '') %}
    {% set exact = modules.re.sub('^numeric\\(', 'decimal(', exact) %}
    {% set known = modules.re.match("^(u?int(8|16|32|64|128)|[iu](8|16|32|64|128)|f(32|64)|float(32|64)|string|boolean|binary|decimal\\(\\d+,\\d+\\)|datetime\\('?(ms|us|ns)'?(,.*)?\\)|duration\\('?(ms|us|ns)'?\\)|list\\(.*\\))$", exact) %}
    {% if not known %}
        {{ quality.dq_refuse(rule, '`' ~ rule.dtype ~ '` is not a data type') }}
    {% endif %}
    {% set exact = modules.re.sub('^i(\\d)', 'int\\1', modules.re.sub('^u(\\d)', 'uint\\1', modules.re.sub('^f(\\d)', 'float\\1', exact))) %}
    {% set exact = modules.re.sub("\\((ms|us|ns)", "('\\1'", exact) %}
    {% set exact = modules.re.sub("^datetime\\('(ms|us|ns)(?!')", "datetime('\\1'", exact) %}
    {% set exact = modules.re.sub(",([^',()]+)\\)$", ",'\\1')", exact) if exact.startswith('datetime') else exact %}
    {% if exact.startswith('list(') or exact.startswith('duration(') %}
        {{ quality.dq_refuse(rule, target.type ~ ' does not tell `' ~ rule.dtype ~ '` exactly; name the family instead') }}
    {% endif %}
    {{ return((quality.dq_exact_dtype(data_type) or '') | lower == exact) }}
{% endmacro %}

{# The columns of a table, a view or a subquery: name -> {kind, type}. #}
{% macro dq_columns(model) %}
    {% set columns = {} %}
    {% for column in adapter.dispatch('dq_described', 'quality')(model) %}
        {% do columns.update({column[0]: {'kind': quality.dq_kind(column[1]), 'type': column[1]}}) %}
    {% endfor %}
    {% if not columns %}
        {{ exceptions.raise_compiler_error('data quality: ' ~ model ~ ' does not exist or has no columns') }}
    {% endif %}
    {{ return(columns) }}
{% endmacro %}

{% macro default__dq_described(model) %}
    {% if model is string %}
        {% set found = adapter.get_column_schema_from_query('select * from ' ~ model ~ ' where 1 = 0') %}
    {% else %}
        {% set found = adapter.get_columns_in_relation(model) %}
    {% endif %}
    {% set columns = [] %}
    {% for column in found %}
        {% do columns.append([column.name, column.data_type]) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{# Of a query, dbt-trino knows the names, but not the types with their zones and digits. #}
{% macro trino__dq_described(model) %}
    {% if model is not string %}{{ return(quality.default__dq_described(model)) }}{% endif %}
    {% set names, types = [], [] %}
    {% for column in adapter.get_column_schema_from_query('select * from ' ~ model ~ ' where 1 = 0') %}
        {% do names.append(column.name) %}
        {% do types.append('typeof(dq_query.' ~ quality.dq_quote(column.name) ~ ')') %}
    {% endfor %}
    {% set found = run_query('select ' ~ types | join(', ') ~ ' from (values 1) as dq_one(n) left join (select * from ' ~ model ~ ' where 1 = 0) as dq_query on true').rows[0] %}
    {% set columns = [] %}
    {% for name in names %}
        {% do columns.append([name, found[loop.index0]]) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}

{# A source that is read in place is no table of the catalogue, so DuckDB describes the query. #}
{% macro duckdb__dq_described(model) %}
    {% set columns = [] %}
    {% for row in run_query('describe select * from ' ~ model).rows %}
        {% do columns.append([row[0], row[1]]) %}
    {% endfor %}
    {{ return(columns) }}
{% endmacro %}
