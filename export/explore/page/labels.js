// What a conditional model is told, its label: a control for each of its covariates.
import { entry, written } from "./unit.js";

/** The columns that a label holds; none of a model without conditions. */
export function covariatesOf({ num_classes: count, columns, covariates }) {
  const told = covariates ?? columns?.filter((column) => column.label) ?? [];
  if (!count || told.length) return told;
  return [{ name: "Label", kind: "category", categories: Array.from({ length: count }, (_, i) => i) }];
}

/** The label to begin with: the first of categories, of others their mean. */
export const beginning = (covariates) => covariates.map((covariate) => (
  covariate.kind === "category" ? 0 : entry(covariate, mean(covariate))
));

/** Fills the element with controls; returns a function that reads the label that they hold. */
export function controls(place, covariates) {
  const made = covariates.map((covariate) => {
    const label = document.createElement("label"), box = control(covariate);
    label.append(covariate.name, box);
    return { label, value: () => covariate.kind === "category" ? Number(box.value) : entry(covariate, box.value.trim()) };
  });
  place.replaceChildren(...made.map(({ label }) => label));
  return () => made.map(({ value }) => value());
}

function control(covariate) {
  if (covariate.kind === "category") {
    const select = document.createElement("select");
    covariate.categories.forEach((name, i) => select.add(new Option(name, i)));
    return select;
  }
  const input = document.createElement("input");
  if (covariate.kind !== "date") Object.assign(input, { type: "number", step: "any" });
  return Object.assign(input, { value: mean(covariate), size: 12 });
}

/** As text: of a number four digits, whatever its decimals are. */
function mean(covariate) {
  const { kind, mean: value = 0 } = covariate;
  return kind === "number" ? String(Number(value.toPrecision(4))) : written(covariate, value);
}
