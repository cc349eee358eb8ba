document.title = "made session";
new WebSocket(new URL("ws", location.href.replace("http", "ws"))).onclose = () => location.reload();
