// Asks with the client that OpenAPI Generator made for fetch, compiled, and tells what it read.
//
// call_fetch.cjs FOLDER URL < calls, as JSON: operation_id, token, by_key, params, dates, type  > what the client read of each
const { readFileSync } = require("node:fs");

const [folder, basePath] = process.argv.slice(2);
const client = require(folder);
const camel = (name) => name.replace(/_([a-z\d])/g, (_, letter) => letter.toUpperCase());

async function told({ operation_id, token, by_key, params, dates, type }) {
  const method = camel(operation_id);
  const kind = Object.values(client).find((one) => one.prototype && method in one.prototype);
  const api = new kind(new client.Configuration({ basePath, [by_key ? "apiKey" : "accessToken"]: token }));
  const typed = ([name, value]) => [camel(name), dates.includes(name) ? new Date(value) : value];
  const named = Object.fromEntries(Object.entries(params).map(typed));
  const read = await api[method](named);
  return type ? client[`${type}ToJSON`](read) : read;
}

(async () => {
  const answers = [];
  for (const call of JSON.parse(readFileSync(0, "utf-8"))) answers.push(await told(call));
  process.stdout.write(JSON.stringify(answers));
})();
