"""What can go wrong, and what the service promises then. Tests say with `@pytest.mark.fault(n)` which row they show."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what happens, and what callers can rely on all the same."""

    number: int
    fault: str
    promised: str


FAULTS: tuple[Fault, ...] = (
    # workers, leases and attempts
    Fault(
        1,
        "The worker is killed (SIGKILL) in the middle of a job",
        "Another goes on from the last window, within 5 s under the supervisor and within 45 s without it; the "
        "transcript equals the undisturbed one; a webhook has one id",
    ),
    Fault(
        2,
        "The worker is killed ten times in a row at random moments",
        "The job is finished: only crashes without progress count as attempts",
    ),
    Fault(
        3,
        "A recording that kills its worker every time",
        "`failed` with `worker_crashed` after three attempts; the next job runs",
    ),
    Fault(
        4,
        "SIGTERM to the worker in the middle of a job",
        "What is decoded is kept, the job goes back to its queue uncounted, exit code 0 within 10 s",
    ),
    Fault(5, "A second SIGTERM", "The worker leaves at once; then as row 1"),
    Fault(6, "Only the supervisor is killed", "Its children notice and end; nothing runs twice"),
    Fault(7, "Two workers are told of the same job", "One has the lease and runs it, the other drops it"),
    Fault(
        8,
        "A worker sleeps (SIGSTOP) past its lease and wakes up after another has finished its job",
        "Its late result is refused: one terminal state, one webhook",
    ),
    # Redis
    Fault(
        9,
        "Redis is killed in the middle of a job and comes back after 20 s",
        "The worker goes on and reconnects, the result is kept; meanwhile the API answers 503 with Retry-After",
    ),
    Fault(10, "Redis is away when a job ends", "The result is on disk, and is told once Redis is back"),
    Fault(
        11,
        "Redis comes back empty",
        "The store is read again: waiting jobs run, ended ones are listed",
    ),
    Fault(
        12,
        "Redis has no memory left",
        "A new job is refused with 503 and nothing of it is left; the running one ends",
    ),
    # the API
    Fault(
        13,
        "The API is killed while a client waits for its transcript",
        "The client sees its connection end, the job goes on; the same request again attaches to it: one run",
    ),
    Fault(
        14,
        "The API is killed between a job's upload and its place in the queue",
        "The job is in the store and is queued at the next start",
    ),
    Fault(15, "A client leaves in mid-upload", "What had come is removed: no job, no open file"),
    Fault(
        16,
        "A client leaves while it waits for a transcript",
        "Its job is canceled 30 s later unless the same request came back; the model is free",
    ),
    # disk and memory
    Fault(17, "The disk fills up during an upload", "507; what had come is removed; the service goes on"),
    Fault(
        18,
        "The disk fills up while a result is written",
        "The job neither fails nor is lost: it is put aside, tried again every minute, and ends once there is room",
    ),
    Fault(
        19,
        "The GPU runs out of memory",
        "The batch is halved and tried again; a single window that does not fit puts its job aside; the worker lives",
    ),
    Fault(
        20,
        "A small file that unpacks to gigabytes of sound",
        "It is decoded as a stream: a process with little memory reads it to its end",
    ),
    # recordings
    Fault(21, "An empty file", "400 `empty_file`"),
    Fault(
        22,
        "Random bytes, text, HTML or an archive named .mp3",
        "400 `unsupported_media`; a job fails with the same code",
    ),
    Fault(23, "An m4a without its index", "400 `unsupported_media` that says the file is cut off"),
    Fault(
        24, "An mp3, wav or flac that is cut off", "What is there is transcribed, with the warning `truncated_input`"
    ),
    Fault(25, "A wav that is nothing but a header", "400 `empty_audio`; a job fails with the same code"),
    Fault(26, "A film with sound", "Its sound is transcribed"),
    Fault(27, "A film without sound", "422 `no_audio_stream`"),
    Fault(28, "Nothing but silence", "An empty text: no sentence is made up"),
    Fault(
        29,
        "Ten hours of sound with speech at its beginning and end",
        "It is finished; the worker's memory stays bounded, progress never goes back, times are right at the end",
    ),
    Fault(
        30,
        "A file of a few megabytes that is longer than `WHISPER_MAX_AUDIO_HOURS`",
        "413 `audio_too_long`, found while decoding",
    ),
    # uploads and parameters
    Fault(
        31,
        "An upload beyond the limit that says so in its Content-Length",
        "413 before the body is read; nothing on disk",
    ),
    Fault(32, "An upload beyond the limit without a length", "413 when the limit is passed; what had come is removed"),
    Fault(
        33,
        "Another content type, no boundary, no file, two files",
        "400 that names the parameter, and nothing is left",
    ),
    Fault(34, "An unknown model", "404 `model_not_found`"),
    Fault(
        35,
        "Values that make no sense; requests made up from the OpenAPI document",
        "400 that names the parameter; never a 500, never an undocumented status, never an error of another shape",
    ),
    Fault(36, "A prompt of 1 MB; 5000 form fields", "400, in bounded memory"),
    # webhooks
    Fault(
        37,
        "A receiver is down for three attempts",
        "The webhook arrives with the same id, a new timestamp and a valid signature",
    ),
    Fault(
        38,
        "A receiver is slow, never answers or never stops answering",
        "Cut off and tried again; transcription does not wait for it",
    ),
    Fault(39, "A receiver answers 500, 503, 429 or 409", "Tried again, not before its Retry-After"),
    Fault(40, "A receiver answers 410", "No more attempts; the delivery says `gone`"),
    Fault(41, "A receiver redirects to an internal address", "Not followed; counts as a failure"),
    Fault(
        42,
        "A receiver with a certificate nobody vouches for, or of another name",
        "A failure that says why; works with the CA that is configured",
    ),
    Fault(
        43,
        "The sender is killed between a delivery and its record",
        "Delivered again with the same id: at least once",
    ),
    Fault(44, "A receiver is down for the whole schedule", "`exhausted`, visible, and can be sent again by hand"),
    # repeated requests
    Fault(45, "The same Idempotency-Key and body twice", "The same job; one run"),
    Fault(46, "The same Idempotency-Key with another body", "422 `idempotency_key_reused`"),
    Fault(47, "The same Idempotency-Key while the first upload still comes", "409 with Retry-After"),
    Fault(48, "50 submissions with the same Idempotency-Key at once", "One job"),
    Fault(
        49,
        "A cancel of a job that waits, runs, has ended, or never was",
        "Gone from its queue; stopped within a window and the model free; 409; 404",
    ),
    Fault(50, "A job is deleted while its audio is read", "The download ends or fails cleanly; no 500"),
    Fault(51, "The clock jumps by an hour", "No lease runs out for it; signatures carry the wall clock"),
    # what strangers send
    Fault(
        52,
        "File names with paths, control characters, 300 characters, reserved names",
        "Stored under the job's id; the name is only shown",
    ),
    Fault(53, "Line breaks in file name, model, language or metadata", "No header of ours carries them"),
    Fault(54, "HTML in a file name and in a transcript", "Shown as text; cues of vtt and srt stay whole"),
    Fault(
        55,
        "No key, a wrong one, one in the query, a very long one",
        "401 in OpenAI's shape before the body is read; no key in a log",
    ),
    Fault(56, "One key's holder asks for another's job", "404"),
    Fault(
        57,
        "A webhook to an internal address in any spelling, or by a name that changes its mind",
        "Refused at submission and at sending; allowed where configured",
    ),
    Fault(58, "A webhook to another scheme, with a password, or to a port of another service", "422 at submission"),
    Fault(
        59,
        "A playlist, concat script, SDP or DASH manifest, with a harmless name",
        "`unsupported_media`; nothing it names is fetched or read",
    ),
    Fault(60, "A foreign function's name in the queue", "Refused and logged; the worker lives"),
    Fault(61, "Redis without a password within others' reach", "The service says so when it starts"),
    # load and time
    Fault(62, "An upload of a byte a second; 200 idle connections", "Given up after a grace; others are served"),
    Fault(63, "1000 small submissions at once", "All are taken or refused with 429 or 503; none is lost"),
    Fault(64, "A queue beyond its limit", "429 with Retry-After; waiting jobs know their position"),
    Fault(65, "The model is missing or damaged at start", "The worker is not ready and says why; jobs wait"),
    Fault(
        66,
        "Readers of events that read slowly, 200 of them, readers that come back",
        "Bounded memory; nobody misses the end, nobody gets anything twice",
    ),
    Fault(
        67,
        "A `job.json` or `outcome.json` that cannot be read",
        "The service starts and serves all others; the job is a 500 that says why, and after five minutes is set aside "
        "in `broken/`, unless a newer version wrote it",
    ),
    # what strangers send, the second round
    Fault(
        68,
        "A path, header or field made to keep a pattern busy; a path of 60 kB",
        "Every pattern takes time in proportion; a path over 8 kB is 414 before anything looks at it",
    ),
    Fault(
        69,
        "A body in chunks of one byte, a head without an end, thousands of requests in one go",
        "`/health` answers in 250 ms; a head beyond 64 kB is 431",
    ),
    Fault(
        70,
        "All open files are used up",
        "503 with Retry-After; one line in the log; nothing is left in `incoming/`; the limit is raised at start",
    ),
    Fault(
        71,
        "A webhook's name resolves slowly",
        "The job is taken after 3 s, and checked when it is called; nobody else waits",
    ),
    Fault(72, "A change of the queues under another spelling of its path", "403 while the dashboard only shows"),
    Fault(
        73,
        "A webhook to this machine by its public or IPv6 address, or to a neighbour on its network",
        "Refused at submission and at sending; allowed if configured",
    ),
    Fault(74, "Headers that make no sense, such as `Origin: http://[`", "Refused or ignored; never a 500"),
    Fault(
        75,
        "Metadata nested 256 deep; a record that cannot be shown",
        "400; a list is shown without the record, and the log names it",
    ),
    Fault(76, "Bytes that are no request, or a request that HTTP forbids", "An error in OpenAI's shape; closed"),
    Fault(77, "A body or a part of a form that is gzip or base64", "415 that says so"),
    Fault(
        78,
        "Lists and objects as PHP, qs, LiteLLM and no-code tools spell them, and as nobody does",
        "Read alike; what is left is 400",
    ),
    Fault(79, "One key's holder sends as many slow uploads as there may be", "Half of the places stay for others"),
    Fault(
        80,
        "One key's holder fills a queue, or follows jobs over as many connections as there may be",
        "Half of its places, of its hours and of the connections stay for others; in a queue the keys' jobs take turns",
    ),
    Fault(
        81,
        "Somebody connects again and again, asks and does not wait for the answer",
        "Those that are connected are answered in between: a few are let in at a time, the others wait",
    ),
    # the data directory, and a Redis that is ill
    Fault(
        90,
        "A data directory whose path is long or has spaces, quotes, brackets, line breaks or non-ASCII letters",
        "Jobs run as anywhere else",
    ),
    Fault(
        91,
        "The file of the service's own Redis is torn: zeros, garbage, cut off, an empty manifest",
        "It is set aside and the log says so; Redis starts empty, and the store fills it again",
    ),
    Fault(92, "Another version of Redis wrote the file", "As row 91"),
    Fault(
        93,
        "A copy of the data directory is started beside the original",
        "Each runs with a Redis of its own; what an earlier run left is ended in its own directory alone",
    ),
    Fault(
        94,
        "Redis hangs (SIGSTOP) while many send recordings",
        "503 with Retry-After within 5 s for what needs it; what is on disk is served at once; jobs in hand go on",
    ),
    Fault(
        95,
        "`WHISPER_REDIS_URL` leads to a cluster, a Sentinel, or a certificate that cannot be verified",
        "The service does not start, and it and the doctor say why in one line; a CA of one's own can be named",
    ),
    Fault(96, "Thousands of jobs a day", "Redis keeps less than 3 kB of a finished job, for a day"),
    Fault(
        97,
        "The service's own Redis hangs for good",
        "After a minute it is killed and started again, and all goes on",
    ),
    Fault(
        98,
        "Two data directories are given one Redis",
        "The second service does not start, and it and the doctor say whose queues are there",
    ),
    # the index of the jobs
    Fault(
        100,
        "The index of the jobs is deleted while it is in use",
        "It is made anew; lists are complete meanwhile, and slower",
    ),
    Fault(101, "The index is damaged: garbage, zeros, cut off, another database", "As row 100; never a 500"),
    Fault(
        102,
        "A process that is stopped holds the index locked",
        "Others throw the index away after 3 s, as row 100; a change that may wait throws nothing away",
    ),
    Fault(103, "The disk fills up while the index is written", "The job is kept, the index is thrown away, as row 100"),
    Fault(
        104,
        "The store is changed behind the index: an earlier version, a backup, by hand, a crash between both",
        "A crash leaves lists as they are; jobs that came or went are found within a minute, others within an hour and "
        "at every start",
    ),
    Fault(
        105,
        "A hundred thousand jobs that have ended",
        "A pass looks at those that are due; a slow pass holds up no takeover; one pass a minute for all processes",
    ),
    # trouble that is not a recording's
    Fault(
        110,
        "`WHISPER_MODEL` changes while jobs wait",
        "What names no model, or an alias, takes the new default; a model that is served no more makes its job wait "
        "for a day, with the reason in the job",
    ),
    Fault(
        111,
        "Memory is short, or a recording cannot be read, for a while",
        "The job is put aside without a slot and tried again with growing pauses; if it does not pass, it fails after "
        "an hour with the last cause",
    ),
    Fault(
        112,
        "The machine loses its power, or everything is killed at once, three times in a row within one window",
        "The job is finished: what ends a worker counts against its recording only if a supervisor saw the worker die "
        "of its own; ten unseen ends in a row give a job up",
    ),
    Fault(
        113,
        "The slots of a queue start over again and again",
        "The service is not ready; `/health/ready`, the doctor and the log name the cause, the log once",
    ),
    Fault(
        114,
        "The kernel ends a worker for want of memory while several jobs run",
        "None of them is charged: each is tried alone, where another such end counts",
    ),
    Fault(
        115,
        "Another version shares the store and Redis, and writes fields and events that are not known here",
        "They are ignored; what cannot be read is said to be of a newer version, and left where it is",
    ),
    Fault(
        130,
        "A job is canceled, waiting or running",
        "Redis lists it as canceled, with no error; the dashboard and the API say the same",
    ),
    Fault(
        131,
        "Delete or Requeue is pressed in the dashboard",
        "A deleted job is gone for good; a failed or canceled one runs again, or the page says why not",
    ),
    Fault(
        132,
        "The service is killed and started again",
        "The old processes' workers leave the dashboard within a minute",
    ),
    # the command whisper-native
    Fault(
        150,
        "The command is killed in the middle of a folder of recordings, and given again",
        "It gets the jobs that are there: nothing is done twice, nothing is missing, and no output is half written",
    ),
    Fault(
        151,
        "Ctrl-C while the command waits for its jobs",
        "Accepted jobs go on and are named; a second Ctrl-C cancels them; given again, the command runs them again",
    ),
    Fault(
        152,
        "The connection breaks while the command follows a job",
        "It is taken up after the last event; if the server stays away, the command ends with exit code 3",
    ),
    # recordings that are fetched
    Fault(
        160,
        "The source of a job's `url` answers 5xx, breaks off, falls silent, or is away",
        "The job is put aside without a slot, says what it waits for, and goes on where it broke off if the source can "
        "do that; 4xx and what is too large end it",
    ),
    Fault(
        161,
        "The worker is killed while it fetches a recording",
        "Another goes on with the part that is there, and no attempt is counted",
    ),
    Fault(
        162,
        "A job is canceled or deleted while its recording is fetched from a source that hangs",
        "The download ends within a second, and nothing of it stays",
    ),
    Fault(
        163,
        "A `url` or a redirect leads inside, in whatever spelling or by a name that changes its mind",
        "Refused at submission and when it is fetched, before anything is dialled; allowed if configured",
    ),
    Fault(164, "The disk fills up while a recording is fetched", "The job waits until there is room"),
    # several machines
    Fault(
        170,
        "The clock of a worker's machine is an hour off, either way",
        "It loses no job, and every time of a job is right: leases and due times go by Redis' clock",
    ),
    Fault(
        171,
        "The worker of another machine is killed, drained, or not there at all",
        "Jobs wait for it; each machine supervises and stops its own part",
    ),
    Fault(
        172,
        "A worker takes a job whose model it does not serve",
        "It is moved once, to the queue of those that do, and lets those behind it pass; a model that nobody serves is "
        "named",
    ),
    Fault(173, "Two versions that cannot work together meet", "Whichever starts second is refused by name"),
    Fault(
        174,
        "A worker is upgraded in the middle of a job, with a word or without, or the upgrade is undone",
        "The job goes on from the windows it has, and workers of both versions share the jobs",
    ),
    Fault(175, "A store is served on another Redis", "Whoever comes second is refused, and told which it is"),
    # a store that machines share
    Fault(
        180,
        "All workers of two machines on one object store are killed in the middle of a job",
        "It goes on from the last batch of windows, 5 s at most before; both machines give the same transcript; the "
        "webhook is sent",
    ),
    Fault(
        181,
        "The object store goes away in the middle of a job, and Redis does not",
        "The API answers 503 `store_unavailable`; once the store is back the job is finished, with the undisturbed "
        "transcript",
    ),
    Fault(
        182,
        "An object store ignores conditions on writing",
        "Every process refuses it at the start and says what to do; so does the doctor",
    ),
    Fault(
        183,
        "A process of another machine dies with an idempotency key in its hands",
        "The key is free again after 20 s, by no clock but that of whoever asks",
    ),
    Fault(
        184,
        "A recording comes from the object store otherwise than it was sent",
        "It is not used, and is fetched again",
    ),
    # machines of their own, with networks, host names, clocks and process ids of their own
    Fault(
        190,
        "The machine of a worker is gone without a word",
        "Its jobs go on with another; nothing is lost, told twice or changed",
    ),
    Fault(
        191,
        "The network of a worker's machine is gone for 10 s, 2 min or an hour, and comes back",
        "As row 190; it leaves no late result, and takes jobs again",
    ),
    Fault(
        192,
        "A machine reaches Redis and not the object store, or the store and not Redis",
        "As row 191; a box says in `/health/ready` which it is",
    ),
    Fault(
        193,
        "The object store takes 2 s for every request",
        "It costs time alone; `/health` answers at once",
    ),
    Fault(
        194,
        "The object store is full, may only be read, or refuses every request",
        "503 `store_unavailable` for new jobs; those that are there wait, and are finished once it takes them",
    ),
    Fault(
        195,
        "The Redis of several machines is killed and comes back, as it was or empty",
        "Jobs in hand go on where they are, the others are queued again; nothing is lost, told twice or changed",
    ),
    Fault(
        196,
        "The clocks of a box and of a worker are off by minutes, or by an hour, either way, on an object store",
        "Minutes change nothing. Beyond a quarter of an hour stores take no signature: the machine does not start, and "
        "says why",
    ),
    Fault(
        197,
        "Two machines have one host name and the same process ids",
        "Each counts as what it is: neither takes the other's processes for its own, dead or alive",
    ),
    Fault(
        198,
        "A worker of an earlier version works beside this one's box",
        "Jobs go on with either, with the same transcripts",
    ),
    Fault(
        199,
        "The machine of the API is replaced by a fresh one on the same Redis and object store",
        "It has all jobs, answers for them, and sends the webhooks that are owed",
    ),
    Fault(
        200,
        "The system gives the API no more memory for a while",
        "503 `overloaded`: no request is called wrong for it, and none is an error that nobody foresaw",
    ),
    Fault(
        201,
        "The process that reads a long recording is killed, or crashes over it",
        "Killed, its job is tried again from the last window; a crash fails it with `unsupported_media`. The worker "
        "and all other recordings go on",
    ),
    Fault(
        202,
        "A worker is killed while processes read recordings for it",
        "They end with it, and the jobs go on as in row 1",
    ),
)

# Rows no test can show here, and why not; each could be shown on another machine.
UNRUNNABLE: dict[int, str] = {}
