"""The handling of one command, from the lock of its organization's log to the commit.

The architecture on one page. A command such as `catactl part record` takes this path:

    cli/commands/part/record.py   declares its options, and calls `context.write(record_part, …)`
    cli/framework/context.py      finds settings and database, and gives the handler an intent
    handling/handler.py           opens one transaction, checks the schema, and begins again if the
                                  database requires that
    handling/transaction.py       finds the organization, locks its log, and returns the stored
                                  result of an idempotency key that was used
    operations/files.py           looks up names, makes a command, and returns a typed result
    handling/unit_of_work.py      handles the command:
        load                      the stored state, evolved over the events after it
        decide                    pure; an error refuses the command, no events mean no change
        evolve                    pure
        react                     pure; sagas send commands in response, which join the same queue
    store/                        flush: events, states, projections and the log's head, each once
    results/files.py              the result: JSON, columns of a table, and `catactl schema`
    cli/output/render.py          prints it after the commit

If any step raises an error, no change is committed.

The reasons:

- One lock per organization. Each organization has one log with positions 1, 2, 3 … A transaction
  locks the log's row before it reads anything that it decides on. It locks several logs in the
  order of their ids. So there are no deadlocks and no lost updates, and no race can exceed a quota.
- Sagas and projections run in the transaction of the event. So storage usage is exact at every
  commit, and no message can be lost or processed twice.
- The events are the only source of truth. State rows and projections are derived from them:
  `rebuild` rewrites them, `row_check` compares them. Each event carries a hash of all events before
  it.
- Users and idempotency keys are plain rows, written in the same transaction.

This package may import `wiring` and the packages below it.
"""
