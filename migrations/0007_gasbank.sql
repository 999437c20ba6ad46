-- The gas bank: a double-entry ledger in fractions of GAS (1 GAS = 100,000,000), and what moves it.
--
-- What holds the money together stands here and not in the program: an entry moves one amount from one
-- book to another, so debits and credits cannot differ; balances change by entries only; no balance can go
-- below zero; entries are never changed; a withdrawal ends once.

CREATE TABLE gas_accounts (
    id uuid PRIMARY KEY,
    -- NULL once the account is deleted, which it can be only while nothing is left here: history outlives it.
    account_id uuid CONSTRAINT gas_accounts_one_an_account UNIQUE REFERENCES accounts (id) ON DELETE SET NULL,
    tenant text NOT NULL,
    -- Empty for none.
    wallet_address text NOT NULL,
    -- The books of the customer. Cached: each is the fold of the ledger, which alone may change it.
    available bigint NOT NULL DEFAULT 0 CONSTRAINT gas_accounts_not_overdrawn CHECK (available >= 0),
    pending bigint NOT NULL DEFAULT 0 CONSTRAINT gas_accounts_pending_held CHECK (pending >= 0),
    reserved bigint NOT NULL DEFAULT 0 CONSTRAINT gas_accounts_reserved_held CHECK (reserved >= 0),
    min_balance bigint NOT NULL DEFAULT 0 CHECK (min_balance >= 0),
    daily_limit bigint NOT NULL DEFAULT 0 CHECK (daily_limit >= 0),
    notification_threshold bigint NOT NULL DEFAULT 0 CHECK (notification_threshold >= 0),
    required_approvals integer NOT NULL DEFAULT 0 CHECK (required_approvals BETWEEN 0 AND 100),
    -- What was withdrawn on that day (UTC) and has neither failed nor been cancelled.
    daily_on date NOT NULL DEFAULT '-infinity',
    daily_withdrawn bigint NOT NULL DEFAULT 0 CHECK (daily_withdrawn >= 0),
    last_withdrawal_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT gas_accounts_balance_fits
        CHECK (available::numeric + pending + reserved <= 9223372036854775807)
) WITH (fillfactor = 50);
CREATE UNIQUE INDEX gas_accounts_by_wallet ON gas_accounts (lower(wallet_address))
    WHERE wallet_address <> '' AND account_id IS NOT NULL;

CREATE TABLE gas_transactions (
    id uuid PRIMARY KEY,
    gas_account_id uuid NOT NULL REFERENCES gas_accounts (id),
    -- The account as it was; it may be gone.
    account_id uuid NOT NULL,
    tenant text NOT NULL,
    type text NOT NULL CHECK (type IN ('deposit', 'withdrawal', 'fee', 'refund')),
    status text NOT NULL CHECK (
        (type = 'withdrawal' AND status IN (
            'scheduled', 'awaiting_approval', 'pending', 'dispatched',
            'completed', 'failed', 'cancelled', 'dead_letter'))
        OR (type = 'fee' AND status IN ('reserved', 'completed', 'cancelled'))
        OR (type IN ('deposit', 'refund') AND status = 'completed')),
    amount bigint NOT NULL CHECK (amount > 0),
    net_amount bigint NOT NULL CHECK (net_amount BETWEEN 0 AND amount),
    blockchain_tx_id text NOT NULL DEFAULT '',
    -- What makes a deposit the same deposit: the transaction's id on the chain in one spelling.
    deposit_key text,
    -- What a fee or a refund is for, as the module that asked for it names it.
    reference text,
    from_address text NOT NULL DEFAULT '',
    to_address text NOT NULL DEFAULT '',
    schedule_at timestamptz,
    cron_expression text NOT NULL DEFAULT '',
    required_approvals integer NOT NULL DEFAULT 0 CHECK (required_approvals >= 0),
    -- Rows in gas_settlement_attempts, and how many of them since the last retry were errors.
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    errors integer NOT NULL DEFAULT 0 CHECK (errors >= 0),
    resolver_error text NOT NULL DEFAULT '',
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    dead_letter_reason text NOT NULL DEFAULT '',
    dead_letter_at timestamptz,
    notes text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    dispatched_at timestamptz,
    resolved_at timestamptz,
    completed_at timestamptz,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- Whoever works on it, until when by the database's clock; the token grows with each change of hands.
    lease_until timestamptz,
    fencing_token bigint NOT NULL DEFAULT 0,
    CHECK (type = 'deposit' OR deposit_key IS NULL),
    CHECK ((type IN ('fee', 'refund')) = (reference IS NOT NULL)),
    CHECK (status <> 'scheduled' OR schedule_at IS NOT NULL)
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX gas_deposits_once ON gas_transactions (tenant, deposit_key) WHERE deposit_key IS NOT NULL;
CREATE UNIQUE INDEX gas_references_once ON gas_transactions (gas_account_id, type, reference)
    WHERE reference IS NOT NULL;
CREATE INDEX gas_transactions_newest ON gas_transactions (gas_account_id, created_at DESC, id DESC);
CREATE INDEX gas_withdrawals_newest ON gas_transactions (gas_account_id, created_at DESC, id DESC)
    WHERE type = 'withdrawal';
CREATE INDEX gas_withdrawals_open ON gas_transactions (gas_account_id)
    WHERE type = 'withdrawal' AND status IN ('scheduled', 'awaiting_approval', 'pending', 'dispatched');
CREATE INDEX gas_withdrawals_to_settle ON gas_transactions (next_attempt_at)
    WHERE type = 'withdrawal' AND status IN ('pending', 'dispatched');
CREATE INDEX gas_withdrawals_to_start ON gas_transactions (schedule_at)
    WHERE type = 'withdrawal' AND status = 'scheduled';
CREATE INDEX gas_dead_letters ON gas_transactions (gas_account_id, dead_letter_at DESC, id DESC)
    WHERE status = 'dead_letter';

CREATE TABLE gas_approvals (
    transaction_id uuid NOT NULL REFERENCES gas_transactions (id),
    -- Who is counted: the credential that was shown, not the name that was written.
    identity text NOT NULL,
    approver text NOT NULL,
    status text NOT NULL CHECK (status IN ('approved', 'rejected')),
    signature text NOT NULL,
    note text NOT NULL,
    decided_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (transaction_id, identity)
);

CREATE TABLE gas_settlement_attempts (
    transaction_id uuid NOT NULL REFERENCES gas_transactions (id),
    attempt integer NOT NULL CHECK (attempt > 0),
    started_at timestamptz NOT NULL,
    completed_at timestamptz NOT NULL,
    latency_ns bigint NOT NULL CHECK (latency_ns >= 0),
    status text NOT NULL CHECK (status IN ('retry', 'error', 'succeeded', 'failed')),
    error text NOT NULL,
    PRIMARY KEY (transaction_id, attempt)
);

-- The books outside the customers': `chain` is what came from and went to the chain, `fees` what was earned.
CREATE TABLE gas_ledger (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    gas_account_id uuid NOT NULL REFERENCES gas_accounts (id),
    transaction_id uuid NOT NULL REFERENCES gas_transactions (id),
    kind text NOT NULL,
    debit text NOT NULL,
    credit text NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    at timestamptz NOT NULL,
    CONSTRAINT gas_ledger_known_moves CHECK ((kind, debit, credit) IN (
        ('deposit', 'chain', 'available'),
        ('withhold', 'available', 'pending'),
        ('release', 'pending', 'available'),
        ('settle', 'pending', 'chain'),
        ('reserve', 'available', 'reserved'),
        ('void', 'reserved', 'available'),
        ('capture', 'reserved', 'fees'),
        ('charge', 'available', 'fees'),
        ('refund', 'fees', 'available')))
);
CREATE UNIQUE INDEX gas_ledger_each_move_once ON gas_ledger (transaction_id, kind);
CREATE UNIQUE INDEX gas_ledger_one_end ON gas_ledger (transaction_id) WHERE kind IN ('settle', 'release');

CREATE FUNCTION gas_ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'gas_ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER gas_ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON gas_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION gas_ledger_is_append_only();

-- Entries move the balances, all of a statement's at once.
CREATE FUNCTION gas_ledger_moves_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gas_accounts AS a
       SET available = a.available + moved.available,
           pending = a.pending + moved.pending,
           reserved = a.reserved + moved.reserved,
           updated_at = greatest(a.updated_at, moved.at)
      FROM (SELECT gas_account_id,
                   sum(CASE 'available' WHEN credit THEN amount WHEN debit THEN -amount ELSE 0 END) AS available,
                   sum(CASE 'pending' WHEN credit THEN amount WHEN debit THEN -amount ELSE 0 END) AS pending,
                   sum(CASE 'reserved' WHEN credit THEN amount WHEN debit THEN -amount ELSE 0 END) AS reserved,
                   max(at) AS at
              FROM entered GROUP BY gas_account_id) AS moved
     WHERE a.id = moved.gas_account_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER gas_ledger_moves_balances AFTER INSERT ON gas_ledger
    REFERENCING NEW TABLE AS entered
    FOR EACH STATEMENT EXECUTE FUNCTION gas_ledger_moves_balances();

-- Nothing else does: a statement of the program's own that names a balance is refused.
CREATE FUNCTION gas_balances_follow_the_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'balances change by ledger entries only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER gas_balances_follow_the_ledger BEFORE UPDATE OF available, pending, reserved ON gas_accounts
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION gas_balances_follow_the_ledger();
CREATE TRIGGER gas_accounts_begin_empty BEFORE INSERT ON gas_accounts
    FOR EACH ROW WHEN (NEW.available <> 0 OR NEW.pending <> 0 OR NEW.reserved <> 0)
    EXECUTE FUNCTION gas_balances_follow_the_ledger();

-- An account that holds gas cannot be deleted.
CREATE FUNCTION accounts_with_gas_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gas_accounts
                WHERE account_id = OLD.id AND (available > 0 OR pending > 0 OR reserved > 0)) THEN
        RAISE EXCEPTION 'the account holds gas'
            USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'accounts_with_gas_stay';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER accounts_with_gas_stay BEFORE DELETE ON accounts
    FOR EACH ROW EXECUTE FUNCTION accounts_with_gas_stay();

-- The last verdict on the ledger, for all replicas to show.
CREATE TABLE gas_ledger_checks (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    checked_at timestamptz NOT NULL,
    entries bigint NOT NULL,
    debits numeric NOT NULL,
    credits numeric NOT NULL,
    drift numeric NOT NULL,
    faults bigint NOT NULL,
    duration_ms integer NOT NULL
);
