// A message center with ch-smpp, for tests/interop/test_smsc.py. It speaks as
// tests/support/foreign_smsc.py describes: words on standard input and output.
import com.cloudhopper.commons.charset.Charset;
import com.cloudhopper.commons.charset.CharsetUtil;
import com.cloudhopper.commons.util.windowing.WindowFuture;
import com.cloudhopper.smpp.*;
import com.cloudhopper.smpp.impl.*;
import com.cloudhopper.smpp.pdu.*;
import com.cloudhopper.smpp.transcoder.*;
import com.cloudhopper.smpp.tlv.Tlv;
import com.cloudhopper.smpp.type.*;
import com.cloudhopper.smpp.util.DeliveryReceipt;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicInteger;

public class ChSmsc {
  static final AtomicInteger COUNT = new AtomicInteger();
  static final List<SmppServerSession> SESSIONS = new CopyOnWriteArrayList<>();
  static final ScheduledExecutorService POOL = Executors.newScheduledThreadPool(4);
  static Map<String, String> settings;

  public static void main(String[] arguments) throws Exception {
    settings = Line.words(String.join(" ", arguments));
    int port = Line.freePort();
    SmppServerConfiguration configuration = new SmppServerConfiguration();
    configuration.setPort(port);
    configuration.setNonBlockingSocketsEnabled(true);
    configuration.setDefaultWindowSize(100);
    new DefaultSmppServer(configuration, new Handler(), Executors.newCachedThreadPool()).start();
    Line.say("listening port=" + port);
    Line.obey(command -> POOL.submit(() -> obey(command)));
  }

  static class Handler implements SmppServerHandler {
    public void sessionBindRequested(Long id, SmppSessionConfiguration configuration, BaseBind request) {}

    public void sessionCreated(Long id, SmppServerSession session, BaseBindResp response) {
      session.serverReady(new Receiver(session));
      SESSIONS.add(session);
      String mode = session.getBindType().name().toLowerCase();
      Line.say("bind mode=" + mode);
    }

    public void sessionDestroyed(Long id, SmppServerSession session) {
      if (SESSIONS.remove(session)) Line.say("closed");
      session.destroy();
    }
  }

  static SmppServerSession receiver() {
    for (SmppServerSession one : SESSIONS) if (one.getBindType() != SmppBindType.TRANSMITTER) return one;
    throw new IllegalStateException("nobody is bound");
  }

  static void obey(String line) {
    String name = line.split(" ")[0];
    Map<String, String> given = Line.words(line);
    try {
      SmppServerSession session = receiver();
      switch (name) {
        case "deliver" -> {
          Line.say("answer status=" + ask(session, request(given)).getCommandStatus());
        }
        case "unbind" -> {
          Line.say("unbound status=" + ask(session, new Unbind()).getCommandStatus());
          session.destroy();
        }
        case "cut" -> session.destroy();
        case "alert" -> {
          AlertNotification alert = new AlertNotification();
          alert.setSourceAddress(new Address((byte) 1, (byte) 1, given.get("from")));
          alert.setEsmeAddress(new Address((byte) 0, (byte) 1, given.get("to")));
          alert.calculateAndSetCommandLength();
          PduTranscoder transcoder = new DefaultPduTranscoder(new DefaultPduTranscoderContext());
          ((DefaultSmppSession) session).getChannel().write(transcoder.encode(alert));
        }
      }
    } catch (Exception error) {
      error.printStackTrace();
    }
  }

  static byte[] text(byte[] body, byte coding) {
    Charset charset = coding == 8 ? CharsetUtil.CHARSET_UCS_2
        : coding == 3 ? CharsetUtil.CHARSET_ISO_8859_1 : CharsetUtil.CHARSET_GSM;
    return CharsetUtil.decode(body, charset).getBytes(java.nio.charset.StandardCharsets.UTF_8);
  }

  static PduResponse ask(SmppServerSession session, PduRequest<?> request) throws Exception {
    WindowFuture<Integer, PduRequest, PduResponse> asked = session.sendRequestPdu(request, 10000, true);
    asked.await();
    return asked.getResponse();
  }

  static BaseSm<?> request(Map<String, String> given) throws Exception {
    byte[] body = HexFormat.of().parseHex(given.getOrDefault("hex", ""));
    BaseSm<?> pdu = given.get("command").equals("data_sm") ? new DataSm() : new DeliverSm();
    pdu.setSourceAddress(new Address((byte) 1, (byte) 1, given.get("from")));
    pdu.setDestAddress(new Address((byte) 0, (byte) 1, given.get("to")));
    pdu.setEsmClass((byte) Integer.parseInt(given.getOrDefault("esm", "0")));
    pdu.setDataCoding((byte) Integer.parseInt(given.getOrDefault("coding", "0")));
    if (pdu instanceof DataSm) pdu.addOptionalParameter(new Tlv(SmppConstants.TAG_MESSAGE_PAYLOAD, body));
    else pdu.setShortMessage(body);
    if (given.containsKey("sar")) {
      String[] sar = given.get("sar").split("/");
      int reference = Integer.parseInt(sar[0]);
      pdu.addOptionalParameter(new Tlv(SmppConstants.TAG_SAR_MSG_REF_NUM,
          new byte[] {(byte) (reference >> 8), (byte) reference}));
      pdu.addOptionalParameter(new Tlv(SmppConstants.TAG_SAR_TOTAL_SEGMENTS, new byte[] {Byte.parseByte(sar[1])}));
      pdu.addOptionalParameter(new Tlv(SmppConstants.TAG_SAR_SEGMENT_SEQNUM, new byte[] {Byte.parseByte(sar[2])}));
    }
    pdu.calculateAndSetCommandLength();
    return pdu;
  }

  static class Receiver extends DefaultSmppSessionHandler {
    final SmppServerSession session;

    Receiver(SmppServerSession session) {
      this.session = session;
    }

    @Override
    public PduResponse firePduRequestReceived(PduRequest request) {
      if (request instanceof Unbind) {
        POOL.schedule(() -> session.destroy(), 100, TimeUnit.MILLISECONDS);
        return request.createResponse();
      }
      if (!(request instanceof SubmitSm pdu)) return request.createResponse();
      String id = String.valueOf(COUNT.incrementAndGet());
      Tlv payload = pdu.getOptionalParameter(SmppConstants.TAG_MESSAGE_PAYLOAD);
      byte[] body = payload == null ? pdu.getShortMessage() : payload.getValue();
      if (body == null) body = new byte[0];
      int header = (pdu.getEsmClass() & 0x40) != 0 ? body[0] + 1 : 0;
      Tlv reference = pdu.getOptionalParameter(SmppConstants.TAG_SAR_MSG_REF_NUM);
      String sar = "";
      try {
        if (reference != null) {
          sar = reference.getValueAsUnsignedShort() + "/"
              + pdu.getOptionalParameter(SmppConstants.TAG_SAR_TOTAL_SEGMENTS).getValueAsUnsignedByte() + "/"
              + pdu.getOptionalParameter(SmppConstants.TAG_SAR_SEGMENT_SEQNUM).getValueAsUnsignedByte();
        }
      } catch (Exception error) {
        error.printStackTrace();
      }
      Address from = pdu.getSourceAddress(), to = pdu.getDestAddress();
      Line.say("submit id=" + id + " to=" + to.getAddress() + " from=" + from.getAddress()
          + " ton=" + from.getTon() + "/" + to.getTon() + " npi=" + from.getNpi() + "/" + to.getNpi()
          + " coding=" + (pdu.getDataCoding() & 0xFF) + " esm=" + (pdu.getEsmClass() & 0xFF)
          + " registered=" + pdu.getRegisteredDelivery()
          + " udh=" + Line.hex(java.util.Arrays.copyOf(body, header)) + " sar=" + sar
          + " body=" + Line.hex(java.util.Arrays.copyOfRange(body, header, body.length))
          + " text=" + Line.hex(text(java.util.Arrays.copyOfRange(body, header, body.length), pdu.getDataCoding())));
      SubmitSmResp answer = pdu.createResponse();
      answer.setMessageId(id);
      long wait = Long.parseLong(settings.getOrDefault("answer_ms", "0"));
      POOL.schedule(() -> answer(pdu, answer, id), wait, TimeUnit.MILLISECONDS);
      return null;
    }

    void answer(SubmitSm pdu, SubmitSmResp answer, String id) {
      try {
        session.sendResponsePdu(answer);
        if (!settings.getOrDefault("receipts", "no").equals("yes") || pdu.getRegisteredDelivery() == 0) return;
        org.joda.time.DateTime now = org.joda.time.DateTime.now();
        DeliveryReceipt told = new DeliveryReceipt(id, 1, 1, now, now, SmppConstants.STATE_DELIVERED, 0, "");
        DeliverSm receipt = new DeliverSm();
        receipt.setSourceAddress(pdu.getDestAddress());
        receipt.setDestAddress(pdu.getSourceAddress());
        receipt.setEsmClass(SmppConstants.ESM_CLASS_MT_SMSC_DELIVERY_RECEIPT);
        receipt.setShortMessage(CharsetUtil.encode(told.toShortMessage(), CharsetUtil.CHARSET_GSM));
        ((DefaultSmppSession) receiver()).sendRequestPdu(receipt, 10000, false);
      } catch (Exception error) {
        error.printStackTrace();
      }
    }
  }
}
