import { createApp } from "./edge/app.ts";

export { Replica } from "./replica/replica.ts";
export default createApp();
