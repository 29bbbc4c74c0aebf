-- Milliseconds since the epoch by the database's own clock, the only one that replicas share.
CREATE FUNCTION colloquy_now() RETURNS bigint LANGUAGE sql VOLATILE
    AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

-- Processes that use the database, and when each told last that it lives.
CREATE TABLE replica (id text COLLATE "C" PRIMARY KEY, seen_at bigint NOT NULL);

-- Numbers sets of vectors: a dataset has one, and another one when it has moved to another embedding.
CREATE SEQUENCE space_number;

CREATE TABLE dataset (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    model text NOT NULL,
    dimensions bigint NOT NULL,
    document_prefix text NOT NULL,
    query_prefix text NOT NULL,
    settings text NOT NULL,
    created_at bigint NOT NULL,
    -- Whose vectors are searched.
    space bigint NOT NULL UNIQUE DEFAULT nextval('space_number'),
    UNIQUE (tenant, name)
);

CREATE TABLE document (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    dataset bigint NOT NULL REFERENCES dataset (no) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    content bytea NOT NULL,
    bytes bigint NOT NULL,
    title text,
    pages bigint NOT NULL DEFAULT 0,
    -- Of the chunks that are searched: how many, their tokens, their terms in body and title.
    chunks bigint NOT NULL DEFAULT 0,
    tokens bigint NOT NULL DEFAULT 0,
    body_terms bigint NOT NULL DEFAULT 0,
    title_terms bigint NOT NULL DEFAULT 0,
    state text NOT NULL,
    detail text,
    updated_at bigint NOT NULL,
    -- Whether a version of it can be found.
    is_complete boolean NOT NULL DEFAULT false,
    metadata text NOT NULL DEFAULT '{}',
    -- How it was submitted last, so that it can be queued again.
    given text NOT NULL DEFAULT '{}',
    source text,
    priority smallint NOT NULL DEFAULT 0,
    chunking text,
    disabled boolean NOT NULL DEFAULT false,
    UNIQUE (dataset, name)
);
CREATE INDEX document_disabled ON document (dataset) WHERE disabled;

CREATE TABLE job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document bigint NOT NULL UNIQUE REFERENCES document (no) ON DELETE CASCADE,
    priority smallint NOT NULL,
    attempts bigint NOT NULL DEFAULT 0,
    -- Takings, those that did not count as attempts too: tells claims apart.
    claims bigint NOT NULL DEFAULT 0,
    -- A job is nobody's from then on.
    leased_until bigint NOT NULL DEFAULT 0,
    held boolean NOT NULL DEFAULT false,
    -- The replica that holds it.
    holder text COLLATE "C",
    stage text,
    reason text
);
CREATE INDEX job_order ON job (priority DESC, id);

-- What is known of documents besides their texts, value by value, as filters compare it.
CREATE TABLE document_field (
    document bigint NOT NULL REFERENCES document (no) ON DELETE CASCADE,
    dataset bigint NOT NULL,
    -- A hash of the name, which may be long.
    field_hash bigint NOT NULL,
    field text COLLATE "C" NOT NULL,
    -- 0: number, 1: moment, 2: text.
    kind smallint NOT NULL,
    -- What numbers and moments are ordered by; nothing for texts.
    key text COLLATE "C",
    value text COLLATE "C" NOT NULL
);
CREATE INDEX document_field_document ON document_field (document);
CREATE INDEX document_field_value
    ON document_field (dataset, field_hash, (left(coalesce(key, value), 64)));

CREATE SEQUENCE chunk_key;

-- Texts, terms and vectors of chunks are apart, so that reading one does not read the others.
CREATE TABLE chunk (
    key bigint PRIMARY KEY,
    document bigint NOT NULL,
    id text COLLATE "C" NOT NULL,
    ordinal bigint NOT NULL,
    text text NOT NULL,
    span_start bigint NOT NULL,
    span_end bigint NOT NULL,
    headings text NOT NULL,
    places text NOT NULL,
    tokens bigint NOT NULL,
    -- What of a chunk is there seldom.
    rest text
);
CREATE INDEX chunk_document ON chunk (document, key);
CREATE INDEX chunk_id ON chunk (id);

-- Each term begins with its dataset's number, so that each dataset has posting lists of its own.
CREATE TABLE chunk_terms (
    key bigint PRIMARY KEY,
    document bigint NOT NULL,
    -- Terms of the body.
    length integer NOT NULL,
    terms tsvector NOT NULL
) WITH (toast_tuple_target = 8160);
ALTER TABLE chunk_terms ALTER COLUMN terms SET STORAGE EXTERNAL;
CREATE INDEX chunk_terms_document ON chunk_terms (document);
CREATE INDEX chunk_terms_terms ON chunk_terms USING gin (terms) WITH (fastupdate = off);

CREATE TABLE chunk_vector (
    space bigint NOT NULL,
    key bigint NOT NULL,
    document bigint NOT NULL,
    value vector NOT NULL,
    PRIMARY KEY (space, key)
) WITH (toast_tuple_target = 8160);
ALTER TABLE chunk_vector ALTER COLUMN value SET STORAGE EXTERNAL;
CREATE INDEX chunk_vector_document ON chunk_vector (document, space);

-- Moves of datasets to another embedding.
CREATE TABLE reembedding (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dataset bigint NOT NULL UNIQUE REFERENCES dataset (no) ON DELETE CASCADE,
    -- Where its vectors are gathered, and searched afterwards.
    space bigint NOT NULL UNIQUE DEFAULT nextval('space_number'),
    model text NOT NULL,
    dimensions bigint NOT NULL,
    document_prefix text NOT NULL,
    query_prefix text NOT NULL
);

-- What nothing refers to any more, to be deleted bit by bit.
CREATE TABLE garbage_document (document bigint NOT NULL);
CREATE TABLE garbage_space (space bigint NOT NULL);

CREATE TABLE dialog (
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    settings text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE TABLE session (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    dialog text COLLATE "C" NOT NULL,
    title text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);
CREATE INDEX session_order ON session (tenant, updated_at DESC, id DESC);

CREATE TABLE turn (
    no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    session bigint NOT NULL REFERENCES session (no) ON DELETE CASCADE,
    parent bigint REFERENCES turn (no) ON DELETE CASCADE,
    status text NOT NULL,
    question text NOT NULL,
    answer text NOT NULL,
    feedback text,
    record text NOT NULL,
    asked_at bigint NOT NULL,
    ended_at bigint,
    -- The replica that answers it.
    replica text COLLATE "C" NOT NULL
);
CREATE INDEX turn_session ON turn (session, no);
CREATE INDEX turn_parent ON turn (parent);
CREATE INDEX turn_running ON turn (no) WHERE status = 'running';

-- A cache: what is lost of it is made again.
CREATE TABLE artifact (
    kind text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    value bytea NOT NULL,
    used_at bigint NOT NULL,
    PRIMARY KEY (kind, hash)
);
CREATE INDEX artifact_use ON artifact (used_at);
