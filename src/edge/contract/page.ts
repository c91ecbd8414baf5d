import { html, raw } from "hono/html";
import { requestHeaders } from "./headers.ts";
import { type Operation, operations } from "./operations.ts";
import { parameters } from "./parameters.ts";

/** The API's description as a page, without anything from elsewhere. */
export const describeOnPage = () =>
  html`<!doctype html>
    <html lang="en">
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width" />
      <title>quorumkv</title>
      <style>
        body {
          font:
            1rem/1.5 system-ui,
            sans-serif;
          max-width: 60rem;
          margin: 2rem auto;
          padding: 0 1rem;
          color: #222;
          background: #fff;
        }
        h2 {
          font:
            600 1rem ui-monospace,
            monospace;
          margin: 2rem 0 0;
          padding-top: 1rem;
          border-top: 1px solid #ddd;
          overflow-wrap: anywhere;
        }
        p {
          margin: 0.3rem 0;
        }
        table {
          border-collapse: collapse;
          margin: 0.5rem 0;
        }
        td {
          padding: 0.1rem 1rem 0.1rem 0;
          vertical-align: top;
        }
        code {
          font-size: 0.9rem;
        }
        @media (prefers-color-scheme: dark) {
          body {
            color: #ddd;
            background: #181818;
          }
          h2 {
            border-color: #444;
          }
          a {
            color: #8bf;
          }
        }
      </style>
      <h1>quorumkv</h1>
      <p>
        A strongly consistent key-value store in several regions. The same for programs:
        <a href="/openapi.json">openapi.json</a>.
      </p>
      <p>
        Every error is <code>application/problem+json</code> and says in <code>outcome</code> what
        became of the request: <code>not_applied</code>, <code>applied</code> or
        <code>unknown</code>.
      </p>
      ${operations.map(describe)}
    </html> `;

const describe = ({
  method,
  path,
  summary,
  query = [],
  headers = [],
  body,
  answers,
}: Operation) => html`
  <h2>${method} ${path}</h2>
  <p>${summary}.</p>
  <table>
    ${query.map((name) => line(`?${name}`, parameters[name].description))}
    ${headers.map((name) => line(name, requestHeaders[name]))}
    ${body === undefined ? raw("") : line("body", bodyIn(body))}
    ${Object.entries(answers).map(([status, { description }]) => line(status, description))}
  </table>
`;

const line = (name: string, meaning: string) =>
  html`<tr>
    <td><code>${name}</code></td>
    <td>${meaning}</td>
  </tr> `;

function bodyIn(body: NonNullable<Operation["body"]>): string {
  if (body === "bytes") return "the value, byte for byte";
  if (body === "ndjson") return "an export";
  return "example" in body ? JSON.stringify(body.example) : "JSON; openapi.json has its shape";
}
