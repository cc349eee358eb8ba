const socket = new WebSocket(new URL("ws", location.href.replace("http", "ws")));
socket.onopen = () => { document.title = "made session"; };
socket.onclose = () => location.reload();
