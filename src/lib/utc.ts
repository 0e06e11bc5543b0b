// Seconds since 1970 as a date in UTC, for those who may not ask what time it is: `Date` can, this cannot.
// Source: https://howardhinnant.github.io/date_algorithms.html#civil_from_days

/** `2026-11-21T15:04:05Z` of whole seconds from the years 1970 to 9999. */
export function utcText(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const clock = seconds - days * 86_400;
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}T${two(clock / 3600)}:${two((clock / 60) % 60)}:${two(clock % 60)}Z`;
}
