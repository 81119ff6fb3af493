// What the server tells: messages by WebSocket and pictures as MJPEG. Both come again by
// themselves after the connection was lost, and rest while nobody looks at the page.

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 4000;

class Feed {
  // listener: { about(message), state(message), linked(isLinked) }.
  constructor(image, listener) {
    this.image = image;
    this.listener = listener;
    this.wait = FIRST_WAIT_MS;
    this.turn = 0; // of the connection: an address that is asked for again would not load again
    image.addEventListener("error", () => this.withoutPicture());
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.rest();
      else this.connect();
    });
    if (!document.hidden) this.connect();
  }

  connect() {
    clearTimeout(this.timer);
    if (this.socket) return;
    const address = new URL("poses", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const socket = new WebSocket(address);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.wait = FIRST_WAIT_MS;
      this.showPictures();
      this.listener.linked(true);
    });
    socket.addEventListener("message", ({ data }) => this.take(JSON.parse(data)));
    socket.addEventListener("close", () => {
      if (socket !== this.socket) return; // left on purpose
      this.socket = null;
      this.listener.linked(false);
      this.timer = setTimeout(() => this.connect(), this.wait);
      this.wait = Math.min(2 * this.wait, LONGEST_WAIT_MS);
    });
  }

  take(message) {
    if (message.schema) this.listener.about(message);
    else this.listener.state(message);
  }

  showPictures() {
    this.turn += 1;
    this.image.hidden = false;
    this.image.src = `video?${this.turn}`;
  }

  withoutPicture() {
    this.image.hidden = true; // in place of the sign for a broken picture
    if (this.socket?.readyState !== WebSocket.OPEN) return; // they come back together
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.showPictures(), FIRST_WAIT_MS);
  }

  rest() {
    const { socket } = this;
    this.socket = null;
    clearTimeout(this.timer);
    socket?.close();
    this.image.removeAttribute("src");
  }
}
