import { createApp } from "../edge/app.ts";
import { control } from "./control.ts";

export { LocalReplica as Replica } from "./local-replica.ts";

/** The deployed app with the control endpoints beside it. */
export default createApp().route("/_local", control);
