// Loads all schemas with the validator that a page of the docs makes, and judges the examples.
// Arguments: the folder of the schemas, the code of the page. Prints JSON: file -> error or null.
const fs = require("fs");
const path = require("path");

const [folder, code] = process.argv.slice(2);
const ajv = new Function("require", `${code}\nreturn ajv;`)(require);

const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
const schemas = fs.readdirSync(folder).filter((one) => one.endsWith(".json"));
const found = {};
for (const one of schemas) ajv.addSchema(read(path.join(folder, one)));
for (const one of schemas) {
  try {
    ajv.getSchema(read(path.join(folder, one)).$id);
    found[one] = null;
  } catch (error) {
    found[one] = error.message;
  }
}
for (const one of schemas) {
  for (const verdict of ["valid", "invalid"]) {
    const place = path.join(folder, "examples", one.replace(/\.json$/, ""), verdict);
    if (found[one] || !fs.existsSync(place)) continue;
    const validate = ajv.getSchema(read(path.join(folder, one)).$id);
    for (const example of fs.readdirSync(place)) {
      const isValid = validate(read(path.join(place, example)));
      const name = path.join(path.basename(path.dirname(place)), verdict, example);
      found[name] = isValid === (verdict === "valid") ? null : `ajv says ${isValid}`;
    }
  }
}
console.log(JSON.stringify(found));
