// A server for connection.js: what it was asked is in `asked`, and the test says what it answers.
window.asked = []; // "join <session> <first|yes>" and "stream <session>"
window.isAway = false;
window.streams = []; // the controllers of the event streams, the newest last
window.fetch = async (input, init = {}) => {
  const address = new URL(input, document.baseURI);
  if (isAway) throw new TypeError("away");
  if (address.pathname.endsWith("/queue/join")) {
    const { session_hash: session } = JSON.parse(init.body);
    asked.push(`join ${session} ${init.headers.get("X-Dreamina-Resent") ?? "first"}`);
    return Response.json({ event_id: `event${asked.length}` });
  }
  if (!address.pathname.endsWith("/queue/data")) return new Response();
  asked.push(`stream ${address.searchParams.get("session_hash")}`);
  const body = new ReadableStream({
    start(controller) {
      streams.push(controller);
      init.signal.addEventListener("abort", () => controller.error(new DOMException("left", "AbortError")));
    },
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
};
window.tell = (message) => streams.at(-1).enqueue(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));

// What Gradio does: it sends a call, and reads one stream.
window.callLikeGradio = async (data) => {
  const body = JSON.stringify({ data, fn_index: 0, session_hash: "page" });
  const { event_id } = await (await fetch("gradio_api/queue/join", { method: "POST", body })).json();
  return event_id;
};
window.read = [];
window.readLikeGradio = async () => {
  const response = await fetch(new Request("gradio_api/queue/data?session_hash=page"));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const part of value.split("\n\n").filter(Boolean)) read.push(JSON.parse(part.slice(5)));
  }
};
