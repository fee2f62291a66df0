// What a conditional model may be told: one category, or a number for each of its covariates.

const MOST = 200; // combinations that are offered

/**
 * The labels to choose from: of each its name, and y, the numbers that the files take.
 * A number is offered a standard deviation below its mean and above.
 */
export function labels({ num_classes: count, columns, covariates }) {
  const label = covariates ?? columns?.filter((column) => column.label) ?? [];
  if (count) {
    const names = label[0]?.categories;
    return Array.from({ length: count }, (_, i) => ({ name: String(names?.[i] ?? i), y: [i] }));
  }
  return label.reduce((begun, covariate) => {
    const levels = offered(covariate);
    return begun.flatMap(({ name, y }) => levels.map((level) => (
      { name: [name, level.name].filter(Boolean).join(", "), y: [...y, level.y] }
    ))).slice(0, MOST);
  }, [{ name: "", y: [] }]);
}

function offered({ name, kind, categories, mean, scale }) {
  if (kind === "category") return categories.map((text, y) => ({ name: `${name} ${text}`, y }));
  return [mean - scale, mean + scale].map((y) => ({ name: `${name} ${Number(y.toPrecision(3))}`, y }));
}
