-- What of a source's headers may be shown stands beside their names; until a source is changed, all of its values are masked.
ALTER TABLE oracle_sources ADD COLUMN header_values text[];
UPDATE oracle_sources SET header_values = array_fill('***'::text, ARRAY[cardinality(header_names)]);
ALTER TABLE oracle_sources
    ALTER COLUMN header_values SET NOT NULL,
    ADD CHECK (cardinality(header_values) = cardinality(header_names));
