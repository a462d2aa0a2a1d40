// Buttons in the column heads sort a table; without scripts the page lacks nothing else.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending" && head.getAttribute("aria-sort") !== null;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.key === undefined ? null : Number(cell.dataset.key);
      };
      const order = (one, other) => {
        const a = key(one), b = key(other);
        if (a !== null && b !== null) return a - b;
        if (a !== null || b !== null) return (a === null) - (b === null);
        return one.cells[column].textContent.localeCompare(other.cells[column].textContent, "en", {numeric: true});
      };
      const rows = [...body.rows].sort(order);
      body.append(...(down ? rows.reverse() : rows));
    });
  });
}
