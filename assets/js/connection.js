// Sends the page's calls again when the connection breaks, so that the page need not be reloaded.
//
// Gradio sends each call by a POST to queue/join, and reads all answers from one event stream, queue/data. If that breaks, it
// reloads the page; if it ends or falls silent, it waits for ever. So the stream that Gradio reads is made here, and never
// ends. It is filled from real streams, and when one is lost, all calls without an answer are sent again, in a session of
// another name: messages for the old one may still go to a connection that is dead. Each call of the page may be repeated: a
// click that costs money has an id (click-id.js), and the same id is the same click.
//
// Needs:
// - window.fetch: Gradio asks the server by it. And `gradio_config.dependencies`, its list of the functions that can be called.
// - <meta name="dreamina-forms">: the version of the page's forms. A server with other models refuses what they hold.
// - #connection[data-words]: the sentences (in ui/html/connection.py).
// - a refusal as JSON, whose `code` is "visitor_lost" or "page_changed" where only a reload helps.
// Makes:
// - #connection-notice: says that the connection is lost, while it is, or, with data-reload, that the page has to be reloaded.
// - the event `dreamina:connected`: an answer has come again after the connection was lost.
// - the event `dreamina:answered`, whose detail is the id of the component that the call came from, if it has one.
// - the event `dreamina:upload-refused`: the server has not taken a file, or it never arrived.
// - the event `dreamina:unanswered`, whose detail is the id of a click: nobody knows whether it has arrived.
(() => {
  "use strict";

  const { find, home, make, publish, wordsOf } = dreamina;
  const JOIN = "/gradio_api/queue/join";
  const DATA = "/gradio_api/queue/data";
  const UPLOAD = "/gradio_api/upload";
  const CANCEL = "/gradio_api/cancel";
  const SILENT_MS = 30000; // the server sends something at least every 15 s
  const ANSWER_MS = 15000;
  const PAUSE_MS = { first: 500, longest: 15000 };
  const NOTICE_MS = 3000; // a shorter loss is not shown
  const CLICK_MS = 60000; // an older click is not sent: its person no longer expects it to spend money
  const ONLY_RELOAD = ["visitor_lost", "page_changed"];

  const realFetch = window.fetch.bind(window);
  const calls = new Map(); // the calls without their last answer, by `knownId`, the id that Gradio knows
  const early = new Map(); // the messages for calls whose own answer, with their id, has not come yet
  const waiting = []; // the messages that no stream of Gradio's takes
  let feed = null; // the controller of the stream that Gradio reads
  let stream = null; // the real one: { abort, silenceTimer, receivedAt }
  let session = ""; // appended to the name of Gradio's session
  let sessions = 0;
  let failures = 0; // since the last answer
  let retry = 0;
  let isRetrying = false;
  let notice = 0;
  let isLost = false;

  window.fetch = (input, init) => {
    const address = new URL(input instanceof Request ? input.url : input, document.baseURI);
    if (address.origin !== location.origin) return realFetch(input, init);
    if (address.pathname.endsWith(DATA)) return Promise.resolve(readByGradio(input.signal ?? init?.signal));
    if (address.pathname.endsWith(JOIN)) return join(address, init);
    if (address.pathname.endsWith(CANCEL)) return cancel(address, init);
    if (address.pathname.endsWith(UPLOAD)) return upload(input, init);
    return realFetch(input, init);
  };

  async function upload(input, init) {
    let response = null;
    try {
      response = await realFetch(input, init);
    } finally {
      if (!response?.ok) publish("dreamina:upload-refused");
    }
    return response;
  }

  // -- calls

  const formsVersion = () => find("meta[name=dreamina-forms]")?.content ?? "";
  const newId = () => `own-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`;

  async function join(address, init) {
    const body = JSON.parse(init.body);
    const call = { address, init, body, knownId: newId(), id: "", at: performance.now(), startedAs: "", isResent: false };
    if (!isLost) {
      try {
        const response = await send(call);
        if (!response.ok) {
          if (!(await offersReload(response))) return response;
          fail(call, ""); // the notice has said it
          return Response.json({ event_id: call.knownId });
        }
        const answer = await response.json();
        call.knownId = answer.event_id;
        calls.set(call.knownId, call);
        accept(call, answer.event_id);
        return Response.json(answer);
      } catch {
        // It may have arrived: from here on the call is resent.
      }
    }
    calls.set(call.knownId, call);
    if (isLost) retryNow();
    else markLost();
    return Response.json({ event_id: call.knownId });
  }

  // Gives the answer, whatever it says; throws if there is none.
  async function send(call) {
    const inSession = session;
    const headers = new Headers(call.init.headers);
    const { api_name: name, inputs, outputs } = window.gradio_config?.dependencies.find(({ id }) => id === call.body.fn_index) ?? {};
    if (inputs) headers.set("X-Dreamina-Function", `${name}/${inputs.length}/${outputs.length}/${formsVersion()}`);
    if (call.isResent) headers.set("X-Dreamina-Resent", "yes");
    call.isResent = true;
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ANSWER_MS * 2 ** Math.min(failures, 3));
    try {
      const body = JSON.stringify({ ...call.body, session_hash: call.body.session_hash + inSession });
      const response = await realFetch(call.address, { ...call.init, headers, body, signal: abort.signal });
      if (!isFromServer(response)) throw new Error(response.status);
      if (inSession !== session) throw new Error("lost meanwhile");
      return response;
    } finally {
      clearTimeout(timer);
    }
  }

  // A proxy, or a network that wants a login first, answers in its own words for a server that is not there.
  function isFromServer({ status, headers }) {
    return status === 500 || (status < 502 && (headers.get("Content-Type") ?? "").includes("json"));
  }

  function accept(call, id) {
    call.id = id;
    const messages = early.get(id) ?? [];
    early.delete(id);
    for (const message of messages) relay(call, message);
    connect();
  }

  // Shows the notice with the button, if only a reload helps against this refusal; returns whether it does.
  async function offersReload(response) {
    const answer = await response.clone().json().catch(() => ({}));
    const onlyReload = ONLY_RELOAD.includes(answer.code);
    if (onlyReload) offerReload(answer);
    return onlyReload;
  }

  async function cancel(address, init) {
    const body = JSON.parse(init.body);
    const call = calls.get(body.event_id);
    calls.delete(body.event_id);
    if (call && !call.id) return Response.json({ success: true });
    const values = { ...body, event_id: call?.id ?? body.event_id, session_hash: body.session_hash + session };
    return realFetch(address, { ...init, body: JSON.stringify(values) });
  }

  // -- the stream that Gradio reads

  function readByGradio(signal) {
    let mine = null;
    const close = () => {
      if (feed === mine) feed = null;
    };
    const body = new ReadableStream({
      start(controller) {
        feed = mine = controller;
        for (const message of waiting.splice(0)) sendToGradio(message);
      },
      cancel: close,
    });
    signal?.addEventListener("abort", () => {
      if (feed === mine) mine.close();
      close();
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  }

  function sendToGradio(message) {
    if (feed) feed.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));
    else waiting.push(message);
  }

  function relay(call, message) {
    const renamed = { ...message, event_id: call.knownId };
    if (message.msg === "process_generating" && message.success && message.output?.data) {
      // To Gradio, what comes after the first part is what differs from it; a call that was resent has a first part again.
      const isFirst = call.startedAs !== call.id;
      if (isFirst && call.startedAs) {
        renamed.output = { ...message.output, data: message.output.data.map((value) => [["replace", [], value]]) };
      }
      call.startedAs = call.id;
    }
    if (message.msg === "process_completed") calls.delete(call.knownId);
    sendToGradio(renamed);
    if (message.msg === "process_completed") tellEnd(call);
  }

  function fail(call, error) {
    calls.delete(call.knownId);
    const output = { error, visible: Boolean(error), duration: null, title: "" };
    sendToGradio({ msg: "process_completed", event_id: call.knownId, success: false, output });
    tellEnd(call);
  }

  function tellEnd({ body }) {
    const source = window.gradio_config?.components.find(({ id }) => id === body.trigger_id);
    publish("dreamina:answered", source?.props.elem_id);
  }

  // -- the real stream

  async function connect() {
    const [call] = calls.values();
    if (stream || !call) return;
    const abort = new AbortController();
    const mine = (stream = { abort, silenceTimer: 0, receivedAt: 0 });
    restartSilenceTimer(mine);
    const address = new URL(call.address);
    address.pathname = address.pathname.slice(0, -JOIN.length) + DATA;
    address.search = new URLSearchParams({ session_hash: call.body.session_hash + session });
    let isDone = false;
    try {
      const headers = { Accept: "text/event-stream" };
      const response = await realFetch(address, { headers, credentials: "same-origin", cache: "no-store", signal: abort.signal });
      if (response.ok) isDone = await readAll(mine, response.body);
    } catch {
      // Broken, or aborted by us.
    }
    clearTimeout(mine.silenceTimer);
    if (stream !== mine) return;
    stream = null;
    abort.abort();
    if (isDone) connect(); // a call may have come just as the server closed the stream
    else markLost();
  }

  // Whether the server has said that all is answered.
  async function readAll(mine, body) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || stream !== mine) return false;
      restartSilenceTimer(mine);
      text += value;
      const parts = text.split("\n\n");
      text = parts.pop();
      for (const part of parts) {
        if (!part.startsWith("data:")) continue;
        const message = JSON.parse(part.slice(5));
        if (message.msg === "close_stream") return true;
        // Sent by a server that stops, or that no longer knows the session.
        if (message.msg === "unexpected_error") return false;
        receive(message);
      }
    }
  }

  function receive(message) {
    if (message.msg === "heartbeat") return;
    markConnected();
    if (!message.event_id) {
      sendToGradio(message);
      return;
    }
    const call = [...calls.values()].find(({ id }) => id === message.event_id);
    if (call) relay(call, message);
    else early.set(message.event_id, [...(early.get(message.event_id) ?? []), message]);
  }

  function restartSilenceTimer(mine) {
    clearTimeout(mine.silenceTimer);
    mine.receivedAt = performance.now();
    mine.silenceTimer = setTimeout(markLost, SILENT_MS);
  }

  // -- connection lost, and back

  function markLost() {
    clearTimeout(stream?.silenceTimer);
    const left = stream;
    stream = null;
    left?.abort.abort();
    startNewSession();
    if (!calls.size) return;
    isLost = true;
    notice ||= setTimeout(() => showNotice("lost"), NOTICE_MS);
    retryLater();
  }

  function startNewSession() {
    session = `-${++sessions}`;
    early.clear();
    for (const call of calls.values()) call.id = "";
  }

  function markConnected() {
    failures = 0;
    if (!isLost) return;
    isLost = false;
    clearTimeout(notice);
    notice = 0;
    find("#connection-notice:not([data-reload])")?.remove();
    publish("dreamina:connected");
  }

  function retryLater() {
    clearTimeout(retry);
    // Random, so that not all pages ask at once when a server is back.
    const pause = Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** failures) * (0.5 + Math.random());
    failures += 1;
    retry = setTimeout(resend, pause);
  }

  function retryNow() {
    clearTimeout(retry);
    resend();
  }

  async function resend() {
    if (isRetrying) return;
    isRetrying = true;
    try {
      let call;
      while ((call = [...calls.values()].find(({ id }) => !id))) {
        if (dreamina.isClick(call.body.data) && performance.now() - call.at > CLICK_MS) {
          publish("dreamina:unanswered", call.body.data.at(-1));
          fail(call, say("unanswered"));
          continue;
        }
        const response = await send(call);
        if (!calls.has(call.knownId)) continue;
        const onlyReload = !response.ok && (await offersReload(response));
        const answer = await response.json().catch(() => ({}));
        if (response.ok) call.id = answer.event_id;
        else fail(call, onlyReload ? "" : answer.detail ?? say("unanswered"));
      }
      connect();
    } catch {
      startNewSession();
      retryLater();
    } finally {
      isRetrying = false;
    }
    if (!calls.size) markConnected();
  }

  // After a sleep, or in another network, a stream may be dead that looks alive.
  function checkStream(mostSilentMs) {
    if (stream && performance.now() - stream.receivedAt > mostSilentMs) markLost();
    if (isLost) retryNow();
  }

  window.addEventListener("online", () => checkStream(0));
  document.addEventListener("visibilitychange", () => document.hidden || checkStream(20000));
  document.addEventListener("resume", () => checkStream(20000));
  window.addEventListener("pageshow", ({ persisted }) => persisted && checkStream(0));

  // -- the notice

  const say = (key) => wordsOf(find("#connection"))(key);

  function showNotice(key, ...children) {
    find("#connection-notice")?.remove();
    if (!find("#connection")) return;
    home().append(make("div", { id: "connection-notice", role: "status" }, make("span", {}, key && say(key)), ...children));
  }

  function offerReload({ code, detail }) {
    const button = make("button", { type: "button", "class": "action" }, say("reload"));
    button.addEventListener("click", () => location.reload());
    showNotice("", button);
    const shown = find("#connection-notice");
    if (!shown) return;
    shown.dataset.reload = code;
    shown.querySelector("span").textContent = detail;
  }
})();
