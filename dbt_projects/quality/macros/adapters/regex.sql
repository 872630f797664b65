{# Patterns. They are written in the syntax of Rust's regex crate, where \d, \w, \s and \b know all of Unicode and `.`
   stops at a line break; each database reads them otherwise. What cannot be carried over exactly is refused by name,
   never matched approximately. #}

{# The verdict whether the text matches, as SQL. #}
{% macro dq_matches(rule, quoted, pattern) %}
    {% set translated = quality.dq_translate(rule, pattern) %}
    {% set text = quality.dq_as_text(quoted) %}
    {% set matched = adapter.dispatch('dq_match', 'quality')(text, quality.dq_text_literal(translated.pattern)) %}
    {% if translated.ascii_only %}
        {% set plain = adapter.dispatch('dq_is_ascii', 'quality')(text) %}
        {{ return('(case when ' ~ plain ~ ' then ' ~ matched ~ ' when ' ~ quoted ~ ' is not null then '
            ~ quality.dq_stop(target.type ~ ' cannot match ' ~ translated.ascii_only ~ ' of the pattern ' ~ pattern ~ ' exactly in text beyond ASCII') ~ ' end)') }}
    {% endif %}
    {{ return('(' ~ matched ~ ')') }}
{% endmacro %}

{% macro default__dq_match(text, pattern) %}{{ return('regexp_like(' ~ text ~ ', ' ~ pattern ~ ')') }}{% endmacro %}
{% macro duckdb__dq_match(text, pattern) %}{{ return('regexp_matches(' ~ text ~ ', ' ~ pattern ~ ')') }}{% endmacro %}
{% macro postgres__dq_match(text, pattern) %}{{ return(text ~ ' ~ ' ~ pattern) }}{% endmacro %}
{% macro redshift__dq_match(text, pattern) %}{{ return(text ~ ' ~ ' ~ pattern) }}{% endmacro %}
{% macro bigquery__dq_match(text, pattern) %}{{ return('regexp_contains(' ~ text ~ ', ' ~ pattern ~ ')') }}{% endmacro %}
{% macro snowflake__dq_match(text, pattern) %}{{ return('regexp_instr(' ~ text ~ ', ' ~ pattern ~ ') > 0') }}{% endmacro %}

{% macro default__dq_is_ascii(text) %}{{ return('length(' ~ text ~ ') = octet_length(' ~ text ~ ')') }}{% endmacro %}
{% macro duckdb__dq_is_ascii(text) %}{{ return('length(' ~ text ~ ') = strlen(' ~ text ~ ')') }}{% endmacro %}
{% macro trino__dq_is_ascii(text) %}{{ return('length(' ~ text ~ ') = length(to_utf8(' ~ text ~ '))') }}{% endmacro %}
{% macro bigquery__dq_is_ascii(text) %}{{ return('char_length(' ~ text ~ ') = byte_length(' ~ text ~ ')') }}{% endmacro %}

{# Which syntax the database reads: re2, posix (PostgreSQL's advanced expressions) or java. #}
{% macro dq_flavour() %}
    {{ return({'duckdb': 're2', 'bigquery': 're2', 'postgres': 'posix', 'trino': 'java', 'databricks': 'java', 'snowflake': 'java', 'redshift': 'java'}.get(target.type, 'java')) }}
{% endmacro %}

{# A class of Unicode as the inside of a bracket. #}
{% macro dq_class(rule, flavour, name) %}
    {% if name not in quality.dq_unicode() %}
        {{ quality.dq_refuse(rule, target.type ~ ' cannot match the class \\p{' ~ name ~ '} exactly; L, M, N and Nd it can') }}
    {% endif %}
    {% set native = {'L': '\\p{L}', 'M': '\\p{M}', 'N': '\\p{N}', 'Nd': '\\p{Nd}', 'w': '\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}'} %}
    {% if flavour == 're2' and name in native %}
        {{ return(native[name] ~ quality.dq_ranges(flavour, quality.dq_unicode_missing_in_re2()[name])) }}
    {% endif %}
    {{ return(quality.dq_ranges(flavour, quality.dq_unicode()[name])) }}
{% endmacro %}

{# All code points of a table, a size of number at a time, because a macro call for each of them takes most of dbt's time. #}
{% macro dq_ranges(flavour, table) %}
    {% set state = namespace(spans=table.split() | join(' ')) %}
    {% for size in range(1, 7) %}
        {% set form = quality.dq_code_point(flavour, 'N' * size).replace('\\', '\\\\').replace('N' * size, '\\1') %}
        {% set state.spans = modules.re.sub('\\b([0-9A-F]{' ~ size ~ '})\\b', form, state.spans) %}
    {% endfor %}
    {{ return(state.spans.replace(' ', '')) }}
{% endmacro %}

{% macro dq_code_point(flavour, digits) %}
    {% if target.type in ['redshift', 'snowflake'] %}
        {{ exceptions.raise_compiler_error('data quality: ' ~ target.type ~ ' knows no code points in patterns, so \\d, \\w, \\s and \\p{..} cannot be carried over exactly; write the characters') }}
    {% endif %}
    {% if flavour == 'posix' %}
        {{ return('\\u' ~ digits.rjust(4, '0') if digits | length <= 4 else '\\U' ~ digits.rjust(8, '0')) }}
    {% endif %}
    {{ return('\\x{' ~ digits ~ '}') }}
{% endmacro %}

{# The pattern for this database, and, where parts of it are exact for ASCII only, which part that is. #}
{% macro dq_translate(rule, pattern) %}
    {% set flavour = quality.dq_flavour() %}
    {% set state = namespace(at=0, in_class=false, class_start=false, ascii_only=none) %}
    {% set out = [] %}
    {% set size = pattern | length %}
    {% for _ in range(size) if state.at < size %}
        {% set char = pattern[state.at] %}
        {% set rest = pattern[state.at:] %}
        {% set step = namespace(size=1, text=char) %}
        {% set opens_class = false %}
        {% if char == '\\' %}
            {% do quality.dq_translate_escape(rule, flavour, rest, state, step) %}
        {% elif state.in_class %}
            {% if char == ']' and not state.class_start %}
                {% set state.in_class = false %}
            {% elif rest.startswith('[:') and ':]' in rest %}
                {% set step.size = rest.index(':]') + 2 %}
                {% set step.text = quality.dq_ascii_class(rule, rest[2:step.size - 2]) %}
            {% elif char == '-' and rest[1:2] == ']' %}
                {% set step.text = '\\-' %}
            {% elif char == '[' or rest[:2] in ['&&', '--', '~~'] %}
                {{ quality.dq_refuse(rule, 'a class within a class (`' ~ rest[:2] ~ '`) cannot be carried over to ' ~ target.type) }}
            {% endif %}
        {% elif char == '[' %}
            {% set state.in_class = true %}
            {% set opens_class = true %}
            {% if rest[:2] == '[^' %}{% set step.size = 2 %}{% set step.text = '[^' %}{% endif %}
        {% elif char == '(' and rest[:2] == '(?' %}
            {% do quality.dq_translate_group(rule, flavour, rest, state, step) %}
        {% elif char == '.' and flavour == 'posix' %}
            {% set step.text = '[^\\n]' %}
        {% elif char == '.' and flavour == 'java' %}
            {% set step.text = '[^\\n]' %}
        {% elif char == '$' and flavour == 'java' %}
            {% set step.text = '\\z' %}
        {% endif %}
        {% do out.append(step.text) %}
        {% set state.class_start = opens_class %}
        {% set state.at = state.at + step.size %}
    {% endfor %}
    {{ return({'pattern': out | join, 'ascii_only': state.ascii_only}) }}
{% endmacro %}

{# The classes with names are ASCII in the rules, and whatever the locale says elsewhere: written out. #}
{% macro dq_ascii_class(rule, name) %}
    {% set classes = {'alnum': '0-9A-Za-z', 'alpha': 'A-Za-z', 'blank': ' \\t', 'digit': '0-9', 'lower': 'a-z', 'upper': 'A-Z',
        'space': ' \\t\\n\\v\\f\\r', 'word': '0-9A-Za-z_', 'xdigit': '0-9A-Fa-f'} %}
    {% if name not in classes %}
        {{ quality.dq_refuse(rule, '`[:' ~ name ~ ':]` cannot be carried over to ' ~ target.type ~ '; write what it stands for') }}
    {% endif %}
    {{ return(classes[name]) }}
{% endmacro %}

{% macro dq_translate_escape(rule, flavour, rest, state, step) %}
    {% set letter = rest[1] %}
    {% set step.size = 2 %}
    {% set step.text = rest[:2] %}
    {% set named = modules.re.match('\\\\[pP](?:\\{(\\^?)(\\w+)\\}|(\\w))', rest) %}
    {% set coded = modules.re.match('\\\\[xuU]\\{([0-9A-Fa-f]+)\\}|\\\\x([0-9A-Fa-f]{2})|\\\\u([0-9A-Fa-f]{4})|\\\\U([0-9A-Fa-f]{8})', rest) %}
    {% if letter in 'dDwWsS' or named %}
        {% set name = {'d': 'Nd', 'w': 'w', 's': 's'}[letter | lower] if not named else (named.group(2) or named.group(3)) %}
        {% set negated = (letter in 'DWSP') != (named is not none and named.group(1) == '^') %}
        {% if named %}{% set step.size = named.end() %}{% endif %}
        {% if negated and state.in_class %}
            {{ quality.dq_refuse(rule, '`' ~ rest[:step.size] ~ '` within a class cannot be carried over to ' ~ target.type ~ '; write what it stands for') }}
        {% endif %}
        {% set inside = quality.dq_class(rule, flavour, name) %}
        {% set step.text = inside if state.in_class else ('[^' if negated else '[') ~ inside ~ ']' %}
    {% elif letter in 'bB' and not state.in_class %}
        {% set step.text = {'b': '\\y', 'B': '\\Y'}[letter] if flavour == 'posix' else rest[:2] %}
        {% if rest[2:3] == '{' %}{{ quality.dq_refuse(rule, '`' ~ rest[:4] ~ '...` cannot be carried over to ' ~ target.type) }}{% endif %}
        {% set state.ascii_only = rest[:2] %}
    {% elif coded %}
        {% set step.size = coded.end() %}
        {% set digits = coded.groups() | reject('none') | first | upper %}
        {% set step.text = quality.dq_code_point(flavour, digits.lstrip('0') or '0') %}
    {% elif letter == 'z' %}
        {% set step.text = '\\Z' if flavour == 'posix' else '\\z' %}
    {% elif letter in 'Aafnrtv' %}
        {% set step.text = rest[:2] if letter != 'a' else quality.dq_code_point(flavour, '7') %}
    {% elif modules.re.match('[A-Za-z0-9<>]', letter) %}
        {{ quality.dq_refuse(rule, '`' ~ rest[:2] ~ '` in the pattern cannot be carried over to ' ~ target.type ~ ' exactly') }}
    {% endif %}
{% endmacro %}

{% macro dq_translate_group(rule, flavour, rest, state, step) %}
    {% set named = modules.re.match('\\(\\?P?<(\\w+)>', rest) %}
    {% set flags = modules.re.match('\\(\\?([a-zA-Z-]*)([:)])', rest) %}
    {% if named %}
        {% set step.size = named.end() %}
        {% set step.text = '(' %}
    {% elif flags and flags.group(1) == '' %}
        {% set step.size = 3 %}
        {% set step.text = '(?:' %}
    {% elif flags and flavour == 're2' and modules.re.match('^[imsU-]+$', flags.group(1)) %}
        {% set step.size = flags.end() %}
        {% set step.text = flags.group(0) %}
        {% if 'i' in flags.group(1) %}{% set state.ascii_only = flags.group(0) %}{% endif %}
    {% elif flags and flags.group(0) == '(?i)' and state.at == 0 and flavour in ['posix', 'java'] %}
        {% set step.size = 4 %}
        {% set step.text = '(?i)' %}
        {% set state.ascii_only = '(?i)' %}
    {% else %}
        {{ quality.dq_refuse(rule, 'the group `' ~ rest[:4] ~ '...` cannot be carried over to ' ~ target.type ~ ' exactly') }}
    {% endif %}
{% endmacro %}
