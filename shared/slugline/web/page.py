"""The page that shows an OpenAPI document to people: no script, nothing from elsewhere."""

from typing import Any

from jinja2 import Environment

_TEMPLATE = """{% macro schema(told) %}{% set one = told.oneOf[0] if told.oneOf else told %}
{% set name = one.get('$ref', '').split('/')[-1] %}
{% if name %}<details><summary><code>{{ name }}</code>{% if told.oneOf %}, or a list of them{% endif %}</summary>
<pre>{{ doc.components.schemas[name]|tojson(indent=1) }}</pre></details>{% endif %}{% endmacro %}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>{{ doc.info.title }}</title><style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}
details{border:1px solid #8886;border-radius:.5rem;margin:.5rem 0;padding:.6rem .8rem}
summary{cursor:pointer;overflow-wrap:anywhere}
code,pre{font:14px/1.4 ui-monospace,monospace}
pre{overflow-x:auto;background:#8881;padding:.6rem;border-radius:.4rem}
.m{display:inline-block;min-width:4.2rem;font-weight:700}
table{border-collapse:collapse;table-layout:fixed;width:100%}
td{padding:.15rem .8rem .15rem 0;vertical-align:top;overflow-wrap:anywhere}td:first-child{width:6rem}
</style></head><body><h1>{{ doc.info.title }}</h1>
<p>Machine-readable: <a href="/openapi.json">openapi.json</a>. Everything under <code>/v1</code> needs
<code>Authorization: Bearer …</code>.</p>
{% for path, methods in doc.paths.items() %}{% for method, op in methods.items() %}
<details><summary><span class="m">{{ method|upper }}</span><code>{{ path }}</code><br>{{ op.summary }}</summary>
{% if op.parameters %}<table>{% for p in op.parameters %}<tr><td><code>{{ p.name }}</code></td>
<td>{{ p.in }}{% if p.description %}: {{ p.description }}{% endif %}</td></tr>{% endfor %}</table>{% endif %}
{% if op.requestBody %}{% for kind, body in op.requestBody.content.items() %}<p>Takes <code>{{ kind }}</code></p>
{{ schema(body.schema) }}{% endfor %}{% endif %}
<table>{% for status, answer in op.responses.items() %}<tr><td><code>{{ status }}</code></td>
<td>{{ answer.description }}
{% for kind, body in answer.get('content', {}).items() if kind == 'application/json' %}{{ schema(body.schema) }}{% endfor %}
</td></tr>{% endfor %}</table></details>
{% endfor %}{% endfor %}</body></html>"""


def api_page(document: dict[str, Any]) -> str:
    """*document* as HTML."""
    return Environment(autoescape=True).from_string(_TEMPLATE).render(doc=document)
