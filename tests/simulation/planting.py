"""Planted faults: small changes of the product's source, each of which the simulation has to find.

What is found here is a measure of the simulator and its checker: a change of a kind that no row
stands for yet belongs in this table, and in the checker where nothing sees it.
"""

from dataclasses import dataclass

DELIVERIES = "services/syndicate/slugline_syndicate/deliveries"
FEEDS = "services/syndicate/slugline_syndicate/feeds"
SERVICE = "services/syndicate/slugline_syndicate/subscriptions/service.py"
INGEST = "services/ingest/slugline_ingest"
VIEW = "shared/slugline/view"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One planted fault: *old*, which stands once in *file*, becomes *new*.

    One of the first *within* seeds must find it. None: it is too rare for them; beside it stands
    the test that finds it, or why nothing does.
    """

    name: str
    file: str
    old: str
    new: str
    within: int | None

    def applied_to(self, source: str) -> str:
        """*source* with the fault in it. Raises ValueError where its place is not found, or not alone."""
        found = source.count(self.old)
        if found != 1:
            raise ValueError(
                f"{self.name!r}: its text stands {found} times in {self.file}, not once"
            )
        return source.replace(self.old, self.new)


LEASE_AND_CLAIMS = (
    Mutation(
        "a lease counts from the answer",
        f"{DELIVERIES}/lease.py",
        "self._extend(asked + LEASE)",
        "self._extend(self._clock.monotonic() + LEASE)",
        100,
    ),
    Mutation(
        "a lease that was held once is held for ever",
        f"{DELIVERIES}/lease.py",
        "return self._clock.monotonic() < self._until and self._tail.ready",
        "return self._until > 0 and self._tail.ready",
        150,
    ),
    Mutation(
        "a lease does not ask whether the view is with the log",
        f"{DELIVERIES}/lease.py",
        "await self._tail.reached(await self._log.ends(TOPICS))",
        "await self._log.ends(TOPICS)",
        150,
    ),
    Mutation(
        "requests are started without a lease",
        f"{DELIVERIES}/worker.py",
        "            and not (subscription.orders and self._ordered_to_wait())\n"
        "            and self._context.gate.is_open(self.pump)\n",
        "            and not (subscription.orders and self._ordered_to_wait())\n",
        100,
    ),
    Mutation(
        "a claim is not compared with the newest one",
        f"{DELIVERIES}/owner.py",
        "return placed.offset if newest == placed.offset else None",
        "return placed.offset or newest",
        None,  # a claim is given up after 5 s, and nobody loses a share within 10: none cross
    ),
    Mutation(
        "an owner begins before it has read up to its claim",
        f"{DELIVERIES}/owner.py",
        "                await self._tail.reached(\n"
        "                    ends | {TopicPartition(CURSORS, partition): placed.offset + 1}\n"
        "                )\n",
        "                return placed.offset\n",
        20,
    ),
    Mutation(
        "another's later claim is ignored",
        f"{DELIVERIES}/owner.py",
        "if mine is None or offset <= mine:",
        "if mine is None or offset >= mine:",
        150,
    ),
    Mutation(
        "every claim is of the same epoch",
        f"{DELIVERIES}/owner.py",
        "return placed.offset if newest == placed.offset else None",
        "return 0 if newest == placed.offset else None",
        None,  # test_whoever_comes_next_writes_again_what_a_late_cursor_overlaid
    ),
    Mutation(
        "a process works on in partitions that it lost",
        f"{DELIVERIES}/owner.py",
        "            self._to_its_end(self._hand_over(self._give_up(lost)))\n",
        "            self._epochs.update(dict.fromkeys(lost, -1))\n",
        100,
    ),
    Mutation(
        "what runs is not cut when the lease lapses",
        f"{DELIVERIES}/lease.py",
        "            self._on_lapse()",
        "            pass",
        150,
    ),
    Mutation(
        "an owner claims nothing",
        f"{DELIVERIES}/owner.py",
        "                (placed,) = await self._log.publish([claim(partition, self._name)])\n",
        "                return self._cursors.newest_claim(partition) or 0\n",
        60,
    ),
    Mutation(
        "a worker that is given up goes on",
        f"{DELIVERIES}/owner.py",
        "        worker.freeze()\n",
        "        pass\n",
        60,
    ),
    Mutation(
        "who comes next is told before what was done is written",
        f"{DELIVERIES}/owner.py",
        "            self._to_its_end(self._hand_over(self._give_up(lost)))\n"
        "        await self._given_back()\n",
        "            self._to_its_end(self._hand_over(self._give_up(lost)))\n",
        60,
    ),
)

CURSORS = (
    Mutation(
        "a late cursor of an earlier owner counts",
        f"{DELIVERIES}/projections.py",
        " WHERE epoch <= excluded.epoch",
        "",
        150,
    ),
    Mutation(
        "an owner does not write again after a late cursor",
        f"{DELIVERIES}/projections.py",
        "            self._zombies.append(name)\n",
        "",
        150,
    ),
    Mutation(
        "the heads of lanes are not in the cursor",
        f"{DELIVERIES}/cursor.py",
        "    if cursor.heads:\n",
        "    if not cursor:\n",
        60,
    ),
    Mutation(
        "told gaps are not in the cursor",
        f"{DELIVERIES}/cursor.py",
        "    if cursor.gaps:\n",
        "    if not cursor:\n",
        100,
    ),
    Mutation(
        "how an endpoint behaved is not in the cursor",
        f"{DELIVERIES}/cursor.py",
        '"health": _packed(cursor.health, _HEALTH)',
        '"health": {}',
        20,
    ),
    Mutation(
        "the cursor does not name the last order done",
        f"{DELIVERIES}/cursor.py",
        '"order": cursor.order,',
        '"order": 0,',
        60,
    ),
    Mutation(
        "a cursor passes what its lane has not judged",
        f"{DELIVERIES}/progress.py",
        "p: offset if offset >= end or p in behind else end",
        "p: max(offset, end)",
        20,
    ),
    Mutation(
        "a cursor passes what a new filter wants after all",
        f"{DELIVERIES}/progress.py",
        "positions[p] = min(positions[p], missed[0].offset)",
        "positions[p] = max(positions[p], missed[0].offset)",
        None,  # test_an_event_that_a_new_filter_wants_after_all_holds_the_cursor_until_it_is_passed
    ),
    Mutation(
        "a frozen worker counts what nobody tells it of",
        f"{DELIVERIES}/worker.py",
        "        self.progress.freeze()\n",
        "",
        20,
    ),
    Mutation(
        "cursors are not written when partitions are given back",
        f"{DELIVERIES}/owner.py",
        "await self._flusher.flush([worker.progress for worker in workers])",
        "await self._context.clock.sleep(0)",
        20,
    ),
    Mutation(
        "a cursor that could not be written is forgotten",
        f"{DELIVERIES}/flusher.py",
        "            if progress.subscription.id not in self._moved:\n                self.add(progress)\n",
        "",
        150,
    ),
    Mutation(
        "attempts that could not be written are forgotten",
        f"{DELIVERIES}/flusher.py",
        "progress.give_back(attempts)",
        "progress.give_back([])",
        60,
    ),
    Mutation(
        "of what moved only the first is written",
        f"{DELIVERIES}/flusher.py",
        "progress.take_attempts()) for progress in bite]",
        "progress.take_attempts()) for progress in bite[:1]]",
        20,
    ),
    Mutation(
        "cursors are flushed once a minute",
        f"{DELIVERIES}/flusher.py",
        "FLUSH = 0.25",
        "FLUSH = 60.0",
        20,
    ),
    Mutation(
        "a late cursor is forgotten with the process that read it",
        f"{DELIVERIES}/projections.py",
        '            self._db.execute("UPDATE cursor SET overlaid = 1 WHERE id = ?", (name,))\n',
        "",
        None,  # its owner dies within the moment: unit/test_projections.py
    ),
    Mutation(
        "a late cursor that nobody owned stays",
        f"{DELIVERIES}/owner.py",
        "        if self._cursors.overlaid(subscription.id):\n",
        "        if not subscription.id:\n",
        None,  # test_whoever_comes_next_writes_again_what_a_late_cursor_overlaid
    ),
    Mutation(
        "a cursor passes what compaction took",
        f"{DELIVERIES}/progress.py",
        "min(positions[p], wait.hole)",
        "positions[p]",
        None,  # test_a_gap_before_events_that_nobody_wants_is_told_by_a_later_owner_too
    ),
    Mutation(
        "since when a partition waits is not in the cursor",
        f"{DELIVERIES}/cursor.py",
        "    if cursor.due:\n",
        "    if not cursor.due:\n",
        None,  # test_a_gap_before_events_that_nobody_wants_is_told_by_a_later_owner_too
    ),
)

LANES = (
    Mutation(
        "a position moves before its answer",
        f"{DELIVERIES}/lane.py",
        "        number = progress.tried(ref, gap=delivery.is_gap) + 1\n",
        "        number = progress.tried(ref, gap=delivery.is_gap) + 1\n"
        "        progress.look_on_from(self._p, ref.offset + 1)\n",
        20,
    ),
    Mutation(
        "a position moves one too far",
        f"{DELIVERIES}/progress.py",
        "        if p not in self.missed or not self._take_missed(ref):\n"
        "            self.look_on_from(p, ref.offset + 1)",
        "        if p not in self.missed or not self._take_missed(ref):\n"
        "            self.look_on_from(p, ref.offset + 2)",
        20,
    ),
    Mutation(
        "a position passes its dead letter before that is acknowledged",
        f"{DELIVERIES}/lane.py",
        "        try:\n            await self._context.log.publish([record])",
        '        self._pass(ref, "dead")\n'
        "        try:\n            await self._context.log.publish([record])",
        100,
    ),
    Mutation(
        "a dead letter is never written",
        f"{DELIVERIES}/lane.py",
        "await self._context.log.publish([record])",
        "await self._context.clock.sleep(0)",
        20,
    ),
    Mutation(
        "a dead letter that could not be written is forgotten",
        f"{DELIVERIES}/lane.py",
        "            self._hold(replace(head, until=self._context.soon()))\n"
        "            return Step.HOLD\n",
        "            pass\n",
        None,  # test_what_is_given_up_is_not_sent_again_while_its_dead_letter_cannot_be_written
    ),
    Mutation(
        "a request that was cut counts as delivered",
        f"{DELIVERIES}/context.py",
        "        answer = await context.exchange.post(Request(subscription.url, headers, body))\n",
        "        try:\n"
        "            answer = await context.exchange.post(Request(subscription.url, headers, body))\n"
        "        except BaseException:\n"
        "            answer = Answer(status=200)\n",
        30,
    ),
    Mutation(
        "an older revision is never sent",
        f"{DELIVERIES}/lane.py",
        "if body is None or (told and self._context.source.superseded(ref)):",
        "if body is None or self._context.source.superseded(ref):",
        20,
    ),
    Mutation(
        "an event that arrives wakes no lane",
        f"{DELIVERIES}/worker.py",
        "            self._make_ready(p)\n            self.pump()\n\n    def arrived",
        "            pass\n\n    def arrived",
        20,
    ),
    Mutation(
        "two requests at once in a partition",
        f"{DELIVERIES}/worker.py",
        "        if p not in self._busy and not self._stopping:\n            self._ready[p] = None",
        "        if not self._stopping:\n            self._ready[p] = None",
        20,
    ),
    Mutation(
        "five requests at once",
        f"{DELIVERIES}/worker.py",
        "len(self._busy) < self.progress.health.at_once",
        "len(self._busy) <= self.progress.health.at_once",
        60,
    ),
    Mutation(
        "twelve requests at once",
        f"{DELIVERIES}/policy.py",
        "AT_ONCE = 4",
        "AT_ONCE = 12",
        20,
    ),
    Mutation(
        "a request that is to be cut goes on",
        f"{DELIVERIES}/worker.py",
        "                task.cancel()\n",
        "                pass\n",
        60,
    ),
    Mutation(
        "whoever waits for the gate is forgotten",
        f"{DELIVERIES}/gate.py",
        "            for call in waiting:\n                call()\n",
        "            waiting.clear()\n",
        20,
    ),
    Mutation(
        "who names no blog gets only what others name",
        f"{DELIVERIES}/matching.py",
        "            if key not in named:\n",
        "            if not named:\n",
        20,
    ),
    Mutation(
        "recent events are taken for all there are",
        f"{DELIVERIES}/source.py",
        "if recent is not None and offset >= recent.start:",
        "if recent is not None and offset >= 0:",
        20,
    ),
    Mutation(
        "a deleted subscription is served on",
        f"{DELIVERIES}/owner.py",
        "            if partition is None:\n                self._end(name)",
        "            if partition is None:\n                pass",
        30,
    ),
)

ANSWERS = (
    Mutation(
        "a redirect counts as success",
        f"{DELIVERIES}/exchange.py",
        "200 <= self.status < 300",
        "200 <= self.status < 400",
        20,
    ),
    Mutation(
        "410 is a refusal like any other",
        f"{DELIVERIES}/policy.py",
        "if answer.status == 410:",
        "if answer.status == 411:",
        60,
    ),
    Mutation(
        "Retry-After is ignored",
        f"{DELIVERIES}/policy.py",
        "        wait = max(wait, answer.retry_after)",
        "        wait = min(wait, answer.retry_after)",
        30,
    ),
    Mutation(
        "an endpoint's waits do not grow",
        f"{DELIVERIES}/policy.py",
        "WAITS[min(health.failures, len(WAITS) - 1)]",
        "WAITS[0]",
        20,
    ),
    Mutation(
        "no slow start after trouble",
        f"{DELIVERIES}/policy.py",
        "        at_once=1,\n",
        "        at_once=AT_ONCE,\n",
        60,
    ),
    Mutation(
        "a success that was under way ends a wait",
        f"{DELIVERIES}/policy.py",
        "return replace(health, dead=0, last_success=now)",
        "return Health(last_success=now)",
        60,
    ),
    Mutation(
        "a success that was under way undoes a 410",
        f"{DELIVERIES}/policy.py",
        "        disabled=health.disabled,\n",
        "",
        150,
    ),
    Mutation(
        "a refused event is tried again at once",
        f"{DELIVERIES}/policy.py",
        "head = replace(head, until=now + REFUSAL_WAITS[head.refusals - 1])",
        "head = replace(head, until=None)",
        20,
    ),
    Mutation(
        "the first refusal is the last",
        f"{DELIVERIES}/policy.py",
        "if head.refusals <= len(REFUSAL_WAITS):",
        "if head.refusals < 1:",
        20,
    ),
    Mutation(
        "a server error is a refusal of the event",
        f"{DELIVERIES}/policy.py",
        "return status is None or status < 400 or status >= 500 or status in _TROUBLE",
        "return status is None or status < 400 or status in _TROUBLE",
        20,
    ),
    Mutation(
        "more than three events in a row are given up",
        f"{DELIVERIES}/policy.py",
        "or health.dead >= DEAD_IN_A_ROW",
        "or False",
        150,
    ),
    Mutation(
        "what was refused before a resume counts after it",
        f"{DELIVERIES}/progress.py",
        "        self.heads.clear()\n",
        "",
        100,
    ),
    Mutation(
        "an endpoint is never disabled",
        f"{DELIVERIES}/policy.py",
        "if now - since >= DISABLED_AFTER",
        "if False",
        300,
    ),
    Mutation(
        "an endpoint is disabled after an hour",
        f"{DELIVERIES}/policy.py",
        "timedelta(hours=120)",
        "timedelta(hours=1)",
        60,
    ),
    Mutation(
        "ten server errors give an event up at once",
        f"{DELIVERIES}/policy.py",
        "head.server_errors >= SERVER_ERRORS and now - first >= SERVER_ERRORS_OVER",
        "head.server_errors >= 2",
        20,
    ),
    Mutation(
        "what is told of attempts did not happen",
        f"{DELIVERIES}/context.py",
        "event_id, kind, number, answer.status, answer.error",
        "event_id, kind, number, answer.status or 504, answer.error",
        20,
    ),
)

ORDERS = (
    Mutation(
        "a skip goes to where the log ends now",
        f"{DELIVERIES}/worker.py",
        "self.progress.skip_to(order.positions)",
        "self.progress.skip_to({p: self._context.source.end(p) for p in order.positions})",
        100,
    ),
    Mutation(
        "a resume leaves an endpoint disabled",
        f"{DELIVERIES}/worker.py",
        "            self.progress.start_afresh()\n",
        "",
        20,
    ),
    Mutation(
        "a pause is ignored",
        f"{DELIVERIES}/worker.py",
        "            and not subscription.paused\n",
        "",
        20,
    ),
    Mutation(
        "an owner goes on with the old URL",
        f"{DELIVERIES}/worker.py",
        "        self.progress.subscription = subscription.for_lanes()\n",
        "        if subscription.url == before.url:\n"
        "            self.progress.subscription = subscription.for_lanes()\n",
        30,
    ),
    Mutation(
        "a new order takes the place of those that wait",
        SERVICE,
        "orders=(*kept, *open_orders, order)",
        "orders=(*kept, order)",
        100,
    ),
    Mutation(
        "a new URL is answered and not kept",
        SERVICE,
        "self._ordered(replace(after, url=change.url), OrderKind.FRESH)",
        "self._ordered(after, OrderKind.FRESH)",
        20,
    ),
    Mutation(
        "a change has the revision of what it changed",
        SERVICE,
        "revision=known.revision + 1, changed",
        "revision=known.revision, changed",
        20,
    ),
    Mutation(
        "a filter holds from the beginning",
        f"{DELIVERIES}/subscription.py",
        "if not each.since or ref.offset >= each.since.get(ref.partition, 0):",
        "if ref.offset >= 0:",
        20,
    ),
    Mutation(
        "a filter's types are ignored",
        f"{DELIVERIES}/subscription.py",
        "if self.types and ref.type",
        "if False and ref.type",
        20,
    ),
    Mutation(
        "what arrived while a filter was changed is not looked for",
        f"{DELIVERIES}/worker.py",
        "            self._look_back(before, before.filter.revision)\n",
        "            pass\n",
        100,
    ),
    Mutation(
        "a cursor does not name the filter that judged what it passed",
        f"{DELIVERIES}/cursor.py",
        '        value["filter"] = cursor.filter\n',
        "        pass\n",
        60,
    ),
    Mutation(
        "of new filters that are read together the last is looked back for",
        f"{DELIVERIES}/subscription.py",
        "if each.revision > revision]\n",
        "if each.revision > revision][-1:]\n",
        None,  # two changes read at once, and an event between them: simulation/test_lanes.py
    ),
    Mutation(
        "a filter is dropped although its cursor knows no later one",
        SERVICE,
        "            if each.revision <= judged_by\n            and all(",
        "            if all(",
        None,  # a third filter before any cursor knows the second: simulation/test_lanes.py
    ),
    Mutation(
        "a subscription from the earliest starts now",
        SERVICE,
        'start=ends if wanted.start == "now" else dict.fromkeys(ends, 0),',
        "start=ends,",
        30,
    ),
    Mutation(
        "a subscription from now starts where the view happens to be",
        SERVICE,
        "        ends = _of_entries(await self._tail.catch_up())\n        now =",
        "        ends = _of_entries(self._tail._view.positions)\n        now =",
        100,
    ),
    Mutation(
        "a change is made to what the view happens to hold",
        SERVICE,
        "            ends = _of_entries(await self._tail.catch_up())\n            known =",
        "            ends = _of_entries(self._tail._view.positions)\n            known =",
        100,
    ),
)

WRITES = (
    Mutation(
        "a withdrawal is a tombstone",
        "shared/slugline/events.py",
        "        value=orjson.dumps(value),\n",
        "        value=None if event.type is EventType.ENTRY_DELETED else orjson.dumps(value),\n",
        20,
    ),
    Mutation(
        "an event's id does not follow from the one before it",
        f"{INGEST}/plan.py",
        "id=event_id(subject, previous),",
        "id=event_id(subject, None),",
        20,
    ),
    Mutation(
        "times follow the clock alone",
        f"{INGEST}/plan.py",
        "return max(self.now, self.state.newest[1]) if self.state.newest else self.now",
        "return self.now",
        20,
    ),
    Mutation(
        "an event names the one before it of its entry alone",
        f"{INGEST}/plan.py",
        "previous=newest,",
        "previous=previous,",
        20,
    ),
    Mutation(
        "a write does not read to the end of the log first",
        f"{INGEST}/writer.py",
        "        async with self._locked(blog_id):\n"
        "            await self._tail.catch_up([ENTRIES])\n"
        "            await self._mend(blog_id)\n"
        "            plan =",
        "        async with self._locked(blog_id):\n            plan =",
        20,
    ),
    Mutation(
        "two writes to a blog at once",
        f"{INGEST}/writer.py",
        "lock = self._locks.setdefault(blog_id, asyncio.Lock())",
        "lock = asyncio.Lock()",
        60,
    ),
    Mutation(
        "what came back unknowingly is not withdrawn again",
        f"{INGEST}/writer.py",
        "        if undone:\n",
        "        if undone and not undone:\n",
        100,
    ),
    Mutation(
        "a withdrawn entry keeps its text",
        f"{INGEST}/withdrawals.py",
        "        updated=at,\n        inferred=entry.inferred,",
        "        updated=at,\n        body_text=entry.body_text,\n        inferred=entry.inferred,",
        20,
    ),
    Mutation(
        "nobody mends a quiet blog",
        f"{INGEST}/mender.py",
        "        if not self._writer.needs_mending(blog_id):\n",
        "        if blog_id:\n",
        100,
    ),
    Mutation(
        "what a late write overlaid is not said again",
        f"{INGEST}/writer.py",
        "        if overlaid:  # the same",
        "        if not blog_id:  # the same",
        100,
    ),
    Mutation(
        "an edit that changes nothing is an event",
        f"{INGEST}/plan.py",
        "        if not changed:\n            self.unchanged += 1\n",
        "        if not row:\n            self.unchanged += 1\n",
        60,
    ),
)

VIEWS = (
    Mutation(
        "the highest base counts",
        f"{VIEW}/entry_tables.py",
        "        elif is_base(record.key):  # the lowest offset counts, and records come in order\n"
        "            return\n",
        "        elif is_base(record.key):\n            self._bases[record.partition] = base_of(record)\n",
        20,
    ),
    Mutation(
        "sequences do not count from a base",
        f"{VIEW}/entries.py",
        "return self._bases[partition] + offset",
        "return self._bases[partition] * 0 + offset",
        20,
    ),
    Mutation(
        "a withdrawal leaves the text of earlier revisions",
        f"{VIEW}/entry_tables.py",
        "            self._db.execute(_TAKE_TEXT, subject)\n",
        "",
        20,
    ),
    Mutation(
        "bodies that are kept at hand outlive a withdrawal",
        f"{DELIVERIES}/source.py",
        "if self._withdrawals != self._entries.withdrawals:",
        "if self._withdrawals > self._entries.withdrawals:",
        20,
    ),
    Mutation(
        "a record that repeats an event is one more event",
        f"{VIEW}/entry_tables.py",
        "                return\n            self._supersede(",
        "                pass\n            self._supersede(",
        100,
    ),
    Mutation(
        "events are read in the order of their times",
        f"{VIEW}/entries.py",
        "WHERE place >= ? AND place < ? ORDER BY place LIMIT ?",
        "WHERE place >= ? AND place < ? ORDER BY ce_time LIMIT ?",
        60,
    ),
    Mutation(
        "revisions are kept for an hour",
        f"{VIEW}/entry_tables.py",
        "(to_micros(now - REVISIONS_KEPT), limit)",
        "(to_micros(now - timedelta(hours=1)), limit)",
        20,
    ),
    Mutation(
        "the log keeps no revision",
        "shared/slugline/topics.py",
        "name=ENTRIES, compact=True, min_compaction_lag=timedelta(days=7)",
        "name=ENTRIES, compact=True, min_compaction_lag=timedelta(0)",
        20,
    ),
    Mutation(
        "a gap is never told",
        f"{DELIVERIES}/lane.py",
        "kept_from = now - REVISIONS_KEPT\n",
        "kept_from = now - REVISIONS_KEPT * 1000\n",
        30,
    ),
    Mutation(
        "a gap is told for every event",
        f"{DELIVERIES}/lane.py",
        "self._progress.gaps[self._p] = self._context.source.end(self._p)",
        "self._progress.gaps[self._p] = delivery.ref.offset + 1",
        60,
    ),
    Mutation(
        "a gap is told after a day",
        f"{DELIVERIES}/lane.py",
        "kept_from = now - REVISIONS_KEPT\n",
        "kept_from = now - REVISIONS_KEPT / 7\n",
        20,
    ),
    Mutation(
        "a gap before what is passed by is not told",
        f"{DELIVERIES}/lane.py",
        "if not told and self._is_missing(kept_from):\n",
        "if not told and body and self._is_missing(kept_from):\n",
        None,  # the first event after it was withdrawn meanwhile: simulation/test_lanes.py
    ),
    Mutation(
        "gaps of one partition have one id",
        f"{DELIVERIES}/lane.py",
        "own_id(kind, name, ref.offset, self._p)",
        "own_id(kind, name, 0, self._p)",
        60,
    ),
    Mutation(
        "what retention took is waited for",
        f"{VIEW}/tail.py",
        "        self._skip_what_is_gone(begins)\n",
        "",
        20,
    ),
    Mutation(
        "whoever waits for the view is woken too early",
        f"{VIEW}/tail.py",
        "due = [waiter for waiter in self._waiting if self._has(waiter[0])]",
        "due = list(self._waiting)",
        60,
    ),
    Mutation(
        "a kept window holds what was replaced",
        f"{FEEDS}/window.py",
        "for mark in kept.recent if mark.entry_id not in again]",
        "for mark in kept.recent]",
        60,
    ),
    Mutation(
        "what changed long ago stays in a kept window",
        f"{FEEDS}/window.py",
        "    while recent and recent[-1].time < time - _RECENT:\n",
        "    while not recent:\n",
        None,  # no process of a world lives for three hours; unit/test_window.py finds it
    ),
    Mutation(
        "a kept window goes on from a time that lies behind",
        f"{FEEDS}/window.py",
        " or any(mark.time < kept.time for mark in changes):",
        ":",
        None,  # two ingests, one write each, and less than 50 ms between; unit/test_window.py finds it
    ),
    Mutation(
        "a feed is not rendered again after a change",
        f"{FEEDS}/store.py",
        "                    feed.document = None\n",
        "                    pass\n",
        20,
    ),
    Mutation(
        "what stands around the entries outlives a withdrawal",
        f"{FEEDS}/store.py",
        "    if kept and kept.around.blog == blog and kept.around.withdrawn == withdrawn:\n",
        "    if kept and kept.around.blog == blog:\n",
        20,
    ),
    Mutation(
        "a view is shown while it is being built",
        f"{VIEW}/tail.py",
        "self.ready = view.whole",
        "self.ready = True",
        20,
    ),
    Mutation(
        "a gap is told where nothing is gone",
        f"{DELIVERIES}/progress.py",
        "        if offset > max(self._positions[p], first):\n",
        "        if offset >= 0:\n",
        None,  # test_a_log_that_was_empty_for_longer_than_revisions_are_kept_has_no_gap
    ),
    Mutation(
        "what an event was refused counts for the gap before it",
        f"{DELIVERIES}/progress.py",
        "        if head and (head.offset, head.gap) == (ref.offset, gap):\n",
        "        if head and head.offset == ref.offset:\n",
        100,
    ),
    Mutation(
        "a view that was away for too long is trusted",
        f"{VIEW}/tail.py",
        "- self._view.known_at) > TRUSTED:",
        "- self._view.known_at) > 100 * TRUSTED:",
        None,  # it has to miss a deletion too, in simulation/test_tail.py: …away_for_longer_than_tombstones…
    ),
    Mutation(
        "a view that is half built is served",
        f"{VIEW}/tail.py",
        "self.ready = view.whole",
        "self.ready = True",
        None,  # test_a_new_view_is_ready_when_the_ends_seen_at_start_are_reached
    ),
)

BODIES = (
    Mutation(
        "a signature leaves out the last byte",
        f"{DELIVERIES}/signing.py",
        "encode() + body)",
        "encode() + body[:-1])",
        20,
    ),
    Mutation(
        "a signature is of ten minutes",
        f"{DELIVERIES}/signing.py",
        "timestamp = int(now.timestamp())",
        "timestamp = int(now.timestamp()) // 600 * 600",
        20,
    ),
    Mutation(
        "a body says what its entry says now",
        f"{VIEW}/entries.py",
        '{REF}, superseded_at, ce_previous, data FROM event"',
        "{REF}, superseded_at, ce_previous, (SELECT data FROM event AS newest WHERE"
        " newest.blog_id = event.blog_id AND newest.entry_id = event.entry_id"
        ' AND newest.superseded_at IS NULL) FROM event"',
        20,
    ),
    Mutation(
        "the webhook-id is the entry's",
        f"{DELIVERIES}/lane.py",
        "Delivery(ref, ref.id, ref.type, body)",
        'Delivery(ref, f"{ref.blog_id}|{ref.entry_id}", ref.type, body)',
        20,
    ),
    Mutation(
        "a body says when it was rendered",
        f"{DELIVERIES}/body.py",
        "return _bounded(event.type, rfc3339(event.time), data)",
        "return _bounded(event.type, rfc3339(__import__('datetime').datetime.now("
        "__import__('datetime').UTC)), data)",
        20,
    ),
)

MUTATIONS = (
    *LEASE_AND_CLAIMS,
    *CURSORS,
    *LANES,
    *ANSWERS,
    *ORDERS,
    *WRITES,
    *VIEWS,
    *BODIES,
)
