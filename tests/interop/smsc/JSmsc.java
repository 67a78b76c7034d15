// A message center with jsmpp, for tests/interop/test_smsc.py. It speaks as
// tests/support/foreign_smsc.py describes: words on standard input and output.
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import org.jsmpp.bean.*;
import org.jsmpp.extra.NegativeResponseException;
import org.jsmpp.extra.ProcessRequestException;
import org.jsmpp.extra.SessionState;
import org.jsmpp.session.*;
import org.jsmpp.util.DeliveryReceiptState;
import org.jsmpp.util.MessageId;

public class JSmsc {
  static final AtomicInteger COUNT = new AtomicInteger();
  static final List<SMPPServerSession> SESSIONS = new CopyOnWriteArrayList<>();
  static final Map<SMPPServerSession, BindType> MODES = new HashMap<>();
  static final ExecutorService POOL = Executors.newCachedThreadPool();
  static Map<String, String> settings;

  public static void main(String[] arguments) throws Exception {
    settings = Line.words(String.join(" ", arguments));
    int port = Line.freePort();
    SMPPServerSessionListener listener = new SMPPServerSessionListener(port);
    POOL.submit(() -> accept(listener));
    Line.say("listening port=" + port);
    Line.obey(command -> POOL.submit(() -> obey(command)));
  }

  static void accept(SMPPServerSessionListener listener) {
    while (true) {
      try {
        SMPPServerSession session = listener.accept();
        session.setTransactionTimer(30000); // two seconds are little on a busy machine
        session.setMessageReceiverListener(new Receiver());
        session.addSessionStateListener((state, old, source) -> {
          if (state == SessionState.CLOSED && SESSIONS.remove((SMPPServerSession) source)) Line.say("closed");
        });
        POOL.submit(() -> bind(session));
      } catch (Exception error) {
        error.printStackTrace();
        return;
      }
    }
  }

  static void bind(SMPPServerSession session) {
    try {
      BindRequest request = session.waitForBind(10000);
      String type = request.getBindType().name();
      String mode = Map.of("BIND_TRX", "transceiver", "BIND_TX", "transmitter", "BIND_RX", "receiver").get(type);
      MODES.put(session, request.getBindType());
      request.accept("jsmpp", InterfaceVersion.IF_34);
      SESSIONS.add(session);
      Line.say("bind mode=" + mode);
    } catch (Exception error) {
      error.printStackTrace();
    }
  }

  static SMPPServerSession receiver() {
    for (SMPPServerSession one : SESSIONS) if (MODES.get(one) != BindType.BIND_TX) return one;
    throw new IllegalStateException("nobody is bound");
  }

  static void obey(String line) {
    String name = line.split(" ")[0];
    Map<String, String> given = Line.words(line);
    try {
      SMPPServerSession session = receiver();
      switch (name) {
        case "deliver" -> deliver(session, given);
        case "unbind" -> {
          session.unbindAndClose();
          Line.say("unbound status=0");
        }
        case "cut" -> session.close();
        case "alert" -> session.alertNotification(
            TypeOfNumber.INTERNATIONAL, NumberingPlanIndicator.ISDN, given.get("from"),
            TypeOfNumber.UNKNOWN, NumberingPlanIndicator.ISDN, given.get("to"));
      }
    } catch (Exception error) {
      error.printStackTrace();
    }
  }

  static void deliver(SMPPServerSession session, Map<String, String> given) throws Exception {
    byte[] body = HexFormat.of().parseHex(given.getOrDefault("hex", ""));
    ESMClass esm = new ESMClass(Integer.parseInt(given.getOrDefault("esm", "0")));
    DataCoding coding = new RawDataCoding((byte) Integer.parseInt(given.getOrDefault("coding", "0")));
    OptionalParameter[] extra = {};
    if (given.containsKey("sar")) {
      String[] sar = given.get("sar").split("/");
      extra = new OptionalParameter[] {
        new OptionalParameter.Sar_msg_ref_num(Short.parseShort(sar[0])),
        new OptionalParameter.Sar_total_segments(Byte.parseByte(sar[1])),
        new OptionalParameter.Sar_segment_seqnum(Byte.parseByte(sar[2]))
      };
    }
    try {
      if (given.get("command").equals("data_sm")) {
        OptionalParameter payload = new OptionalParameter.Message_payload(body);
        session.dataShortMessage("", TypeOfNumber.INTERNATIONAL, NumberingPlanIndicator.ISDN, given.get("from"),
            TypeOfNumber.UNKNOWN, NumberingPlanIndicator.ISDN, given.get("to"), esm, new RegisteredDelivery(0),
            coding, payload);
      } else {
        session.deliverShortMessage("", TypeOfNumber.INTERNATIONAL, NumberingPlanIndicator.ISDN, given.get("from"),
            TypeOfNumber.UNKNOWN, NumberingPlanIndicator.ISDN, given.get("to"), esm, (byte) 0, (byte) 0,
            new RegisteredDelivery(0), coding, body, extra);
      }
      Line.say("answer status=0");
    } catch (NegativeResponseException refused) {
      Line.say("answer status=" + refused.getCommandStatus());
    }
  }

  static class Receiver implements ServerMessageReceiverListener {
    public SubmitSmResult onAcceptSubmitSm(SubmitSm pdu, SMPPServerSession session) throws ProcessRequestException {
      String id = String.valueOf(COUNT.incrementAndGet());
      boolean payloadOnly = pdu.getShortMessage().length == 0;
      OptionalParameter.Message_payload payload =
          (OptionalParameter.Message_payload) pdu.getOptionalParameter(OptionalParameter.Message_payload.class);
      byte[] body = payloadOnly && payload != null ? payload.getValue() : pdu.getShortMessage();
      int header = pdu.isUdhi() ? body[0] + 1 : 0;
      OptionalParameter.Sar_msg_ref_num reference = pdu.getOptionalParameter(OptionalParameter.Sar_msg_ref_num.class);
      OptionalParameter.Sar_total_segments total = pdu.getOptionalParameter(OptionalParameter.Sar_total_segments.class);
      OptionalParameter.Sar_segment_seqnum number = pdu.getOptionalParameter(OptionalParameter.Sar_segment_seqnum.class);
      String sar = reference == null ? "" : (reference.getValue() & 0xFFFF) + "/" + total.getValue() + "/" + number.getValue();
      Line.say("submit id=" + id + " to=" + pdu.getDestAddress() + " from=" + pdu.getSourceAddr()
          + " ton=" + pdu.getSourceAddrTon() + "/" + pdu.getDestAddrTon()
          + " npi=" + pdu.getSourceAddrNpi() + "/" + pdu.getDestAddrNpi()
          + " coding=" + (pdu.getDataCoding() & 0xFF) + " esm=" + (pdu.getEsmClass() & 0xFF)
          + " registered=" + pdu.getRegisteredDelivery()
          + " udh=" + Line.hex(java.util.Arrays.copyOf(body, header)) + " sar=" + sar
          + " body=" + Line.hex(java.util.Arrays.copyOfRange(body, header, body.length)));
      try {
        Thread.sleep(Long.parseLong(settings.getOrDefault("answer_ms", "0")));
        if (settings.getOrDefault("receipts", "no").equals("yes") && pdu.getRegisteredDelivery() != 0) {
          POOL.submit(() -> receipt(pdu, id));
        }
        return new SubmitSmResult(new MessageId(id), new OptionalParameter[0]);
      } catch (Exception error) {
        throw new ProcessRequestException(error.getMessage(), 8);
      }
    }

    static void receipt(SubmitSm pdu, String id) {
      try {
        Thread.sleep(50);
        java.util.Date now = new java.util.Date();
        DeliveryReceipt told = new DeliveryReceipt(id, 1, 1, now, now, DeliveryReceiptState.DELIVRD, "000", "");
        receiver().deliverShortMessage("", TypeOfNumber.INTERNATIONAL, NumberingPlanIndicator.ISDN,
            pdu.getDestAddress(), TypeOfNumber.UNKNOWN, NumberingPlanIndicator.ISDN, pdu.getSourceAddr(),
            new ESMClass(MessageMode.DEFAULT, MessageType.SMSC_DEL_RECEIPT, GSMSpecificFeature.DEFAULT), (byte) 0,
            (byte) 0, new RegisteredDelivery(0), DataCodings.ZERO,
            told.toString().getBytes(StandardCharsets.ISO_8859_1));
      } catch (Exception error) {
        error.printStackTrace();
      }
    }

    public QuerySmResult onAcceptQuerySm(QuerySm q, SMPPServerSession s) throws ProcessRequestException {
      throw new ProcessRequestException("no", 3);
    }
    public SubmitMultiResult onAcceptSubmitMulti(SubmitMulti m, SMPPServerSession s) throws ProcessRequestException {
      throw new ProcessRequestException("no", 3);
    }
    public DataSmResult onAcceptDataSm(DataSm d, Session s) throws ProcessRequestException {
      throw new ProcessRequestException("no", 3);
    }
    public void onAcceptCancelSm(CancelSm c, SMPPServerSession s) throws ProcessRequestException {}
    public void onAcceptReplaceSm(ReplaceSm r, SMPPServerSession s) throws ProcessRequestException {}
    public BroadcastSmResult onAcceptBroadcastSm(BroadcastSm b, SMPPServerSession s) throws ProcessRequestException {
      throw new ProcessRequestException("no", 3);
    }
    public void onAcceptCancelBroadcastSm(CancelBroadcastSm b, SMPPServerSession s) throws ProcessRequestException {}
    public QueryBroadcastSmResult onAcceptQueryBroadcastSm(QueryBroadcastSm b, SMPPServerSession s)
        throws ProcessRequestException {
      throw new ProcessRequestException("no", 3);
    }
  }
}
