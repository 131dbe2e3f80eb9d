-- SPDX-License-Identifier: GPL-2.0-or-later
--
-- The guards, as the migrations made them. Triggers and constraints keep history and
-- balances right only while they are there: an owner or superuser can switch one off and
-- forget it, or put another in its place. So what guards the tables of the schemas rain,
-- ledger and federation is written down when a migration has been applied (rain-migrate
-- calls guards_keep() in the migration's transaction), and compared whenever somebody asks.
--
-- A guard is a trigger, a constraint (with the triggers that carry it out), an index, a
-- rule, a function, a table or sequence, a schema, a role, or a setting that switches
-- triggers off; what belongs to its definition are its text, owner, rights, columns. Names
-- stand for themselves, never numbers of the catalog, so a restored backup has the same
-- guards. Who edits rain.guard, too, isn't found here; what he edited under cover of it,
-- the chain of blocks finds (0026-blocks.sql).
--
-- Functions for callers:
--   check_guards() -> a row for each guard (kind, object, problem) that is missing,
--        disabled, changed or new; none when all are as the migrations made them
-- For rain-migrate alone:
--   guards_keep()  -> how many there are: from now on these are right

CREATE TABLE rain.guard (
    kind       text NOT NULL,
    object     text NOT NULL,
    state      text NOT NULL, -- of triggers: whether they fire ('O'); else ''
    definition text NOT NULL, -- SHA-256
    PRIMARY KEY (kind, object)
);

SET LOCAL search_path = ledger, pg_temp;

-- Rights in one spelling: a list of its own, or what goes without saying.
CREATE FUNCTION guard_rights(p_rights aclitem[], p_type "char", p_owner oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(format('%s %s%s', CASE a.grantee WHEN 0 THEN 'public' ELSE pg_get_userbyid(a.grantee)::text END,
                                      a.privilege_type, CASE WHEN a.is_grantable THEN '*' END), ', '
                               ORDER BY a.grantee <> 0, pg_get_userbyid(a.grantee), a.privilege_type), '')
      FROM aclexplode(coalesce(p_rights, acldefault(p_type, p_owner))) a
$$;

CREATE FUNCTION guard_columns(p_table oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT string_agg(format('%s %s %s %s%s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                             a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid),
                             CASE WHEN a.attacl IS NOT NULL THEN ledger.guard_rights(a.attacl, 'c', t.relowner) END),
                      '; ' ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_class t ON t.oid = a.attrelid
      LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
     WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- What is there now. (A constraint of a column's NOT NULL is the column's.)
CREATE FUNCTION guards()
RETURNS TABLE (kind text, object text, state text, definition text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH house AS (SELECT n.* FROM pg_namespace n WHERE n.nspname IN ('rain', 'ledger', 'federation')),
    tables AS (SELECT t.*, format('%s.%s', h.nspname, t.relname) AS name
                 FROM pg_class t JOIN house h ON h.oid = t.relnamespace),
    found (kind, object, state, text) AS (
        SELECT 'trigger', format('%s on %s', g.tgname, t.name), g.tgenabled::text, pg_get_triggerdef(g.oid)
          FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal
        UNION ALL
        SELECT 'constraint', format('%s on %s', c.conname, coalesce(t.name, format_type(c.contypid, NULL))),
               coalesce((SELECT string_agg(DISTINCT g.tgenabled::text, '') FROM pg_trigger g
                          WHERE g.tgconstraint = c.oid AND g.tgisinternal), ''),
               concat(pg_get_constraintdef(c.oid), c.convalidated)
          FROM pg_constraint c LEFT JOIN tables t ON t.oid = c.conrelid
         WHERE c.connamespace IN (SELECT h.oid FROM house h)
        UNION ALL
        SELECT 'index', t.name, '', concat(pg_get_indexdef(t.oid), i.indisvalid)
          FROM pg_index i JOIN tables t ON t.oid = i.indexrelid
        UNION ALL
        SELECT 'rule', format('%s on %s', r.rulename, t.name), r.ev_enabled::text, pg_get_ruledef(r.oid)
          FROM pg_rewrite r JOIN tables t ON t.oid = r.ev_class
        UNION ALL
        SELECT 'function', format('%s.%s(%s)', h.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), '',
               concat(CASE p.prokind WHEN 'a' THEN p.prosrc ELSE pg_get_functiondef(p.oid) END,
                      pg_get_userbyid(p.proowner), ledger.guard_rights(p.proacl, 'f', p.proowner))
          FROM pg_proc p JOIN house h ON h.oid = p.pronamespace
        UNION ALL
        SELECT CASE t.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' ELSE 'table' END, t.name, '',
               concat_ws('|', t.relkind, t.relpersistence, t.relrowsecurity, pg_get_userbyid(t.relowner),
                         ledger.guard_rights(t.relacl, CASE t.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", t.relowner),
                         ledger.guard_columns(t.oid))
          FROM tables t WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
        UNION ALL
        SELECT 'schema', h.nspname::text, '',
               concat(pg_get_userbyid(h.nspowner), '|', ledger.guard_rights(h.nspacl, 'n', h.nspowner))
          FROM house h
        UNION ALL
        SELECT 'role', r.rolname::text, '',
               concat_ws('|', r.rolsuper, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication, r.rolbypassrls,
                         (SELECT string_agg(format('%s in %s', pg_get_userbyid(m.member), pg_get_userbyid(m.roleid)), ', '
                                            ORDER BY pg_get_userbyid(m.member), pg_get_userbyid(m.roleid))
                            FROM pg_auth_members m WHERE r.oid IN (m.member, m.roleid)))
          FROM pg_roles r WHERE r.rolname IN ('rain_owner', 'rain', 'rain-gw')
        UNION ALL
        SELECT 'setting', format('of %s: %s', CASE s.setrole WHEN 0 THEN 'everybody' ELSE pg_get_userbyid(s.setrole)::text END, c),
               '', ''
          FROM pg_db_role_setting s, unnest(s.setconfig) c
         WHERE c LIKE 'session\_replication\_role=%'
           AND s.setdatabase IN (0, (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())))
    SELECT f.kind, f.object, f.state, encode(sha256(convert_to(f.text, 'UTF8')), 'hex') FROM found f
$$;

CREATE FUNCTION guards_keep() RETURNS bigint
LANGUAGE plpgsql SET search_path = ledger, pg_temp AS $$
DECLARE
    n bigint;
BEGIN
    DELETE FROM rain.guard;
    INSERT INTO rain.guard SELECT * FROM guards();
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END $$;

CREATE FUNCTION check_guards()
RETURNS TABLE (kind text, object text, problem text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ledger, pg_temp AS $$
    SELECT coalesce(k.kind, f.kind), coalesce(k.object, f.object),
           CASE WHEN f.kind IS NULL THEN 'is missing'
                WHEN k.kind IS NULL THEN 'was added'
                WHEN k.definition <> f.definition THEN 'was changed'
                WHEN f.state LIKE '%D%' THEN 'is disabled'
                ELSE 'fires at other times' END
      FROM rain.guard k FULL JOIN guards() f ON (k.kind, k.object) = (f.kind, f.object)
     WHERE (k.state, k.definition) IS DISTINCT FROM (f.state, f.definition)
     ORDER BY 1, 2
$$;

GRANT EXECUTE ON FUNCTION check_guards() TO rain;
