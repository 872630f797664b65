{# The characters that terminals leave around a key: the plain blank and the ideographic one. #}
{% macro blanks() -%}
    ' ' || chr(12288)
{%- endmacro %}
